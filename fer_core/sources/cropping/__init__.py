"""Whole photos before they are a data set: are they photos, and faces cut out of them."""
