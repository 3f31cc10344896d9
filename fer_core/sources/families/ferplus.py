"""Votes of FERPlus: ten annotators' choices for a face, and the label that they give by the rules
of its authors.

Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced label
distribution", 2016.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from fer_core.base.labels import CLASSES, class_index
from fer_core.sources.files.label_files import Line

__all__ = ["NO_NAME", "WORDS", "Mode", "Vote", "decide"]

WORDS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
"""Columns of votes, in the order of the authors' tables; NF is no face."""

_N_EMOTIONS = 8  # the last two columns are no emotions
_LABELS = [class_index(word) for word in WORDS]
_CANONICAL = [_LABELS.index(index) for index in range(len(CLASSES))]

Mode = Literal["majority", "probability", "multi_target"]


class Vote(NamedTuple):
    """What the annotators decided: `label` -1 where it is none of the seven, `word` says what,
    `reason` why it is left out.
    """

    label: int
    word: str
    reason: str
    votes: tuple[float, ...]


NO_NAME = Vote(-1, "no face", "FERPlus: no image name", ())
"""Of a row that names no picture."""


def decide(columns: list[str], mode: Mode, line: Line) -> Vote:
    """Label and votes of one face by the authors' rules.

    Single votes count as slips and are dropped. *majority*: the leading column needs more than half
    of what is left. *probability*: columns are taken in order of votes (equal ones together) until
    they hold three quarters, three are taken or unknown or NF is reached, which ends it and counts
    only if it leads; refused if they hold no more than half or are more than three; the leading one
    is the label. *multi_target*: every column with at least 30 % is a target; refused if they hold
    no more than half; the leading one is the label, and the targets among the seven classes count
    alike. Equal leaders: the first in the order of the table.

    Args:
        columns: texts of ten votes, in the order of the table's columns.
        mode: see above.
        line: that they are in.

    Returns:
        `votes` for the seven classes in canonical order: as cast with *majority*, only those taken
        with *probability*, 1 for a target and 0 for the rest with *multi_target*.

    Raises:
        DataError: a vote is no whole number of up to three digits.
    """
    if not all(text.isascii() and text.isdigit() and len(text) <= 3 for text in columns):
        raise line.error("A vote is not a whole number.", "10 counts of up to 3 digits")
    counts = np.array([int(text) for text in columns])
    left = np.where(counts > 1, counts, 0)
    total = int(left.sum())
    kept = _RULES[mode](left, total)
    if 2 * int(kept.sum()) <= total or np.count_nonzero(kept) > 3:
        return Vote(-1, "unknown", "FERPlus: no majority", ())
    winner = int(kept.argmax())
    label = _LABELS[winner]
    if label is None:
        word = "no face" if WORDS[winner] == "NF" else WORDS[winner]
        return Vote(-1, word, f"FERPlus: the votes say {word}", ())
    votes = {"majority": counts, "probability": kept, "multi_target": kept > 0}[mode]
    return Vote(label, CLASSES[label], "", tuple(float(votes[column]) for column in _CANONICAL))


def _leading(left: np.ndarray, total: int) -> np.ndarray:
    kept = np.zeros_like(left)
    kept[left.argmax()] = left.max()
    return kept


def _taken(left: np.ndarray, total: int) -> np.ndarray:
    left, kept = left.copy(), np.zeros_like(left)
    while 4 * int(kept.sum()) < 3 * total and np.count_nonzero(kept) < 3:
        most = left.max()
        for column in np.flatnonzero(left == most):
            if column >= _N_EMOTIONS and kept.any():
                return kept
            kept[column], left[column] = most, 0
            if column >= _N_EMOTIONS:
                return kept
    return kept


def _targets(left: np.ndarray, total: int) -> np.ndarray:
    return np.where(10 * left >= 3 * total, left, 0)


_RULES: dict[Mode, Callable[[np.ndarray, int], np.ndarray]] = {
    "majority": _leading,
    "probability": _taken,
    "multi_target": _targets,
}
