"""Raw data sets, from what a user has on disk to faces with labels."""
