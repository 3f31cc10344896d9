"""Faces without labels that students may learn from."""
