"""`fer predict`, `fer fetch-detector`."""
