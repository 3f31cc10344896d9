"""A deployed student as a folder that others can use: `models/<name>/`."""
