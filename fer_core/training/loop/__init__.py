"""One training run, from data to the saved model; the same for teachers and students."""
