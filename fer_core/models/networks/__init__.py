"""Backbones, the ArcFace head, saved models and their cards, inference."""
