"""When the model had better not answer, and which answers it cannot rule out."""
