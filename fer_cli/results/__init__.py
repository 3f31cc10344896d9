"""`fer results`."""
