"""params.yaml: what it may say, and the comments that explain it."""
