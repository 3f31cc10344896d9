"""From a trained network to files for others."""
