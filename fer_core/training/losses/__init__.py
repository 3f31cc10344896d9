"""One class for each method, one file each; they do not need each other."""
