"""A stranger's first hours as scripts: each runs the commands of a page of the documentation."""
