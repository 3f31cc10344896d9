"""Training histories: reading them, and whether training ended too early.

A method that is stopped while it still gains is ranked too low.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core.base.artifact import REMAKE
from fer_core.base.errors import ArtifactError
from fer_core.evaluation.metrics.readers import read_columns

__all__ = ["late_gain", "read_history", "rising", "unfinished"]

_STILL_RISING = 0.01
_SCORE = "val_macro_f1"
_VAL = ("val_accuracy", _SCORE, "val_nll")
_NUMBERS = ("epoch", "train_loss", "train_accuracy", *_VAL)


def read_history(folder: Path) -> pd.DataFrame:
    """What each epoch of a training gave, from the `record/` folder: epoch (from 0), phase, losses
    and scores.

    Raises:
        ArtifactError: missing, damaged, without an epoch or a column, epochs that do not count 0,
            1, …, or a value that is not finite; only the val scores of an epoch may be missing, all
            three, where val rows were not looked at after it, and not of every one.
    """
    file = folder / "history.csv"
    table = read_columns(file, ("phase", *_NUMBERS))
    if not len(table) or table["epoch"].tolist() != list(range(len(table))):
        raise ArtifactError(
            "This history does not hold every epoch.",
            where=file,
            found=table["epoch"].tolist(),
            remedy=REMAKE,
        )
    numbers = table[list(_NUMBERS)]
    looked_at = table[list(_VAL)].notna().any(axis=1)
    if (
        not all(pd.api.types.is_numeric_dtype(kind) for kind in numbers.dtypes)
        or not np.isfinite(numbers[looked_at].to_numpy(dtype=float)).all()
        or not np.isfinite(numbers.drop(columns=list(_VAL)).to_numpy(dtype=float)).all()
        or not looked_at.any()
    ):
        raise ArtifactError(
            "A value of this history is not a finite number.", where=file, remedy=REMAKE
        )
    return table


def late_gain(history: pd.DataFrame) -> float:
    """Mean val macro-F1 of the last quarter of the epochs that were looked at, less that of the
    quarter before: near 0 where the curve is flat.

    Args:
        history: of one run, one row an epoch in order, with the column val_macro_f1.

    Returns:
        The difference; 0 for fewer than two epochs.
    """
    scores = history[_SCORE].dropna().to_numpy(dtype=float)
    quarter = max(1, len(scores) // 4)
    if len(scores) < 2 * quarter:
        return 0.0
    return float(scores[-quarter:].mean() - scores[-2 * quarter : -quarter].mean())


def rising(histories: Mapping[str, Sequence[pd.DataFrame]]) -> dict[str, str]:
    """Name and late gain, in words, of each method whose val curve still rises at the end, on
    average over seeds.

    Args:
        histories: method -> history of each of its runs.
    """
    gains = {method: sum(map(late_gain, runs)) / len(runs) for method, runs in histories.items()}
    return {
        method: f"{method} ({gain:+.3f})" for method, gain in gains.items() if gain > _STILL_RISING
    }


def unfinished(histories: Mapping[str, Sequence[pd.DataFrame]]) -> str | None:
    """What to tell the reader of methods whose val curve still rises at the end, on average over
    seeds; None where all are flat.

    Args:
        histories: method -> history of each of its runs.
    """
    still = rising(histories).values()
    if not still:
        return None
    return (
        "Val macro-F1 still rose when training ended, last quarter of the epochs against the one "
        f"before: {', '.join(still)}. "
        "More epochs for all methods would rank them more fairly."
    )
