"""Folders, archives and label files as they are on disk."""
