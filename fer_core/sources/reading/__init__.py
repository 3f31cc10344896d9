"""The base classes of readers."""
