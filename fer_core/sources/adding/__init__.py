"""What `fer data add` does: find a data set in what was given, link it, describe it."""
