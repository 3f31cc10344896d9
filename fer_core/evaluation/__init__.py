"""Numbers: metrics, calibration, ensembles, comparisons, boards."""
