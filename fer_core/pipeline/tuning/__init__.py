"""Trials of a tuning file."""
