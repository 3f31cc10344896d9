"""Twins, leakage and splits: how the manifest is made."""
