"""The facts of one run, read once for every page."""
