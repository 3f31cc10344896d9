"""Kept faces as an ordinary folder tree, for other programs."""
