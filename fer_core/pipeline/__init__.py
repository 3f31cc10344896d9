"""How the pipeline is run and kept true: plans, executors, dvc.yaml, profiles, trials,
verification.
"""
