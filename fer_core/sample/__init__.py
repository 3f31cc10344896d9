"""The faces of the embedded sample, drawn from a seed."""
