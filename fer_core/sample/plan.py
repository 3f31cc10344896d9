"""What a data set holds, row by row, before anything is drawn: splits, labels, copies,
non-faces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_core.sample.expression import mistaken_label
from fer_core.sample.options import SampleOptions
from fer_core.sample.randomness import stream

__all__ = ["Row", "plan_rows"]


@dataclass(frozen=True)
class Row:
    """One row of a data set.

    Attributes:
        number: of the picture; rows with one number and kind show the same picture.
        kind: "face", "copy" (exact duplicate in another split), "contradiction" (the same picture
            under another label), "blank" (uniform frame) or "text" (text on a plain ground).
        split: the layout's own word.
        emotion: class index the face shows.
        label: class index that is recorded.
    """

    number: int
    kind: str
    split: str
    emotion: int
    label: int

    @property
    def is_face(self) -> bool:
        """Whether the picture shows a face."""
        return self.kind not in ("blank", "text")


def plan_rows(
    options: SampleOptions, domain: str, splits: Sequence[str], shares: Mapping[int, float]
) -> list[Row]:
    """All rows of a data set, split by split, shuffled within each.

    Args:
        options: counts.
        domain: name of the random streams.
        splits: the layout's words, train first; each other one gets `options.test_share` of the
            faces.
        shares: class index to its share of the faces of every split; sums to 1.
    """
    rng = stream(options.seed, domain, "plan")
    tests = round(options.faces * options.test_share)
    counts = [options.faces - tests * (len(splits) - 1)] + [tests] * (len(splits) - 1)
    rows: list[Row] = []
    for split, count in zip(splits, counts, strict=True):
        emotions = rng.permutation(np.repeat(list(shares), _quotas(count, list(shares.values()))))
        for emotion in emotions.tolist():
            label = mistaken_label(emotion, rng) if rng.random() < options.label_noise else emotion
            rows.append(Row(len(rows), "face", split, emotion, label))
    rows += _copies(options, rows, splits, rng)
    for index in range(options.non_faces):
        kind = "blank" if index % 2 == 0 else "text"
        label = int(rng.choice(list(shares)))
        rows.append(Row(index, kind, splits[index % len(splits)], label, label))
    order = rng.permutation(len(rows))
    return sorted((rows[position] for position in order), key=lambda row: splits.index(row.split))


def _quotas(count: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that sum to `count`, as near to the shares as can be (largest remainder); none
    is 0 where `count` allows it.
    """
    exact = np.array(shares) * count
    quotas = np.maximum(np.floor(exact).astype(int), int(count >= len(shares)))
    for position in np.argsort(np.floor(exact) - exact, kind="stable")[
        : max(0, count - int(quotas.sum()))
    ]:
        quotas[position] += 1
    while int(quotas.sum()) > count:
        quotas[np.argmax(quotas)] -= 1
    return quotas.tolist()


def _copies(
    options: SampleOptions, rows: Sequence[Row], splits: Sequence[str], rng: np.random.Generator
) -> list[Row]:
    """Train copies of faces of the last split, and train faces under a second label; no face is
    copied twice.
    """
    train, last = splits[0], splits[-1]
    picked = rng.permutation(len(rows))
    twins = [rows[index] for index in picked if rows[index].split == last][: options.duplicates]
    taken = {row.number for row in twins}
    argued = [
        rows[index]
        for index in picked
        if rows[index].split == train and rows[index].number not in taken
    ][: options.contradictions]
    copies = [replace(row, kind="copy", split=train) for row in twins]
    for row in argued:
        others = sorted({row.emotion, *range(7)} - {row.label})
        label = row.emotion if row.emotion != row.label else int(rng.choice(others))
        copies.append(replace(row, kind="contradiction", label=label))
    return copies
