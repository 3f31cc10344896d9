"""Face stores, and the hashes that twins are found by."""
