"""What a check of the gate found to be wrong."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Fault", "row_faults"]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: which check saw it, where (a sample_id, set or source) and what was
    found.
    """

    check: str
    where: str
    found: str


def row_faults(
    check: str, rows: pd.DataFrame, mask: pd.Series | np.ndarray, found: pd.Series | str
) -> list[Fault]:
    """A fault for every row under the mask."""
    mask = np.asarray(mask, dtype=bool)
    texts = [found] * int(mask.sum()) if isinstance(found, str) else found[mask].map(str).tolist()
    return [
        Fault(check, key, text)
        for key, text in zip(rows["sample_id"][mask].tolist(), texts, strict=True)
    ]
