"""dvc.yaml: its stages, their keys, and the code that each depends on."""
