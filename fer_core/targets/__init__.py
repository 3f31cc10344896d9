"""Soft labels: the artifact, and how training opens it."""
