"""How the pipeline is run and kept true: params.yaml, dvc.yaml, runs, the checkout, trials."""
