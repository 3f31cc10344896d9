"""`fer tune`."""
