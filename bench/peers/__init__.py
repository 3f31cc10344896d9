"""Expression networks of others and ours, measured alike."""
