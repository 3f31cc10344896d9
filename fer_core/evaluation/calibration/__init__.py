"""Temperatures and other calibrators, and which one is chosen."""
