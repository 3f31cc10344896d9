"""When the model should not answer, and which answers it cannot rule out."""
