"""Banks of decoded images, views and their augmentation, CLAHE in torch."""
