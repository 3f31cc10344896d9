"""What is told of faces from data sets that a student never learned from."""
