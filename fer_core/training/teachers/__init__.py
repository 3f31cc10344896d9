"""What only teachers need: the ArcFace protocol and its two stages."""
