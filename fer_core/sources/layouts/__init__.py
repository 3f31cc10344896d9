"""One reader for each layout of a data set; readers do not need each other."""
