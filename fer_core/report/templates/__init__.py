"""How templates are loaded, the words that pages explain, and the style sheet."""
