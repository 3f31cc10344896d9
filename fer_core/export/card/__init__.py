"""The model card and the licences it names."""
