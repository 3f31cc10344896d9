"""Faces as worse cameras, light and crops would show them, and how the model does on them."""
