"""A run: whether it can begin, its plan, what it will take, and its stages side by side."""
