"""How fast exported files answer, and whether int8 is worth it."""
