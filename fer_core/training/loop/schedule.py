"""Learning rate of every optimiser step, as one array made before training."""

import numpy as np

__all__ = ["cosine_schedule"]


def cosine_schedule(steps: int, warmup: int, peak: float, floor: float) -> np.ndarray:
    """Linear rise over `warmup` steps, then a cosine to `floor` at the last step (Loshchilov &
    Hutter, ICLR 2017, no restarts).

    Args:
        steps: number of optimiser steps.
        warmup: steps of the rise; the first has peak / warmup.
        peak: greatest learning rate.
        floor: learning rate of the last step.

    Returns:
        float64 [steps].
    """
    step = np.arange(steps)
    rise = peak * (step + 1) / max(1, warmup)
    progress = (step - warmup) / max(1, steps - 1 - warmup)
    fall = floor + (peak - floor) * 0.5 * (1 + np.cos(np.pi * np.clip(progress, 0, 1)))
    return np.where(step < warmup, rise, fall)
