"""`fer doctor`."""
