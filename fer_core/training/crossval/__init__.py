"""Training the deployed student again for each part of all faces."""
