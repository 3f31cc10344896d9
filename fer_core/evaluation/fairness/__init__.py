"""How the model does on subgroups that people recorded."""
