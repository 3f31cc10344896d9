"""From faces of many data sets to one manifest without leaks, and to a pack for training."""
