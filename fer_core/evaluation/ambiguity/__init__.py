"""How the model does against the votes of annotators."""
