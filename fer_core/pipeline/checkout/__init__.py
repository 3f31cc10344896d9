"""The checkout as DVC sees it: locks, cache, leftovers, traps, verification."""
