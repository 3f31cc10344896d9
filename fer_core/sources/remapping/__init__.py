"""Data sets rewritten for other tools."""
