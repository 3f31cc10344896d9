"""Tables, rows, named sets, folds, and the files that later stages read faces from."""
