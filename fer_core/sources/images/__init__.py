"""Crops, orientation and rare formats of raw pictures."""
