"""How pictures are decoded and prepared for a network, with the same pixels on every processor."""
