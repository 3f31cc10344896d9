"""Weights that fuse teachers, and the targets that follow from them."""
