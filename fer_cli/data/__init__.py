"""`fer data`, `fer manifest`."""
