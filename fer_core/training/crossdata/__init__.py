"""Training a student again without one data set at a time."""
