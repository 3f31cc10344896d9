"""What tables of pictures and labels share: how people name their columns, and what a label, a
split and a person come to.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from fer_core.base.labels import CLASSES, UNLABELLED, class_index
from fer_core.pixels.picture_files import PATH_COLUMNS, column_word
from fer_core.sources.files.names import split_of
from fer_core.sources.reading.reader import FaceOrExclusion

__all__ = ["Columns", "find_columns", "further_labels", "is_number", "meaning_of", "split_of_file"]

_LABELS = (
    *("label", "emotion", "expression", "class", "labels", "emotions", "expressions"),
    *("labelname", "classname", "emotionlabel", "expressionlabel", "category"),
)
_SPLITS = ("split", "usage", "subset", "partition", "set")
_GROUPS = (
    *("group", "subject", "person", "identity", "subjectid", "personid", "participant"),
    *("participantid", "actor", "actorid"),
)
_LONGEST = 64  # characters of a word that is counted
_ABOUT = re.compile(r"labels?|annotations?|list|legend|metadata")


class Columns(NamedTuple):
    """Places of the columns that mean something; None for what a table lacks."""

    path: int | None
    label: int | None
    split: int | None
    group: int | None


def find_columns(names: Sequence[str]) -> Columns:
    """The columns of a header, by the usual names of each."""
    words = [column_word(name) for name in names]

    def first(known: Sequence[str]) -> int | None:
        return next((words.index(word) for word in known if word in words), None)

    return Columns(*map(first, (PATH_COLUMNS, _LABELS, _SPLITS, _GROUPS)))


def further_labels(names: Sequence[str]) -> list[int]:
    """Places of other columns of a header that bear the usual names of labels, too."""
    words, taken = [column_word(name) for name in names], find_columns(names).label
    return [place for place, word in enumerate(words) if word in _LABELS and place != taken]


def is_number(word: str) -> bool:
    """True for a label that names no class: data sets number the same classes differently."""
    return re.fullmatch(r"\s*[0-9]{1,9}(\.0*)?\s*", word) is not None


def meaning_of(word: str) -> FaceOrExclusion:
    """What a label comes to; case is ignored."""
    label = class_index(word)
    if label is not None:
        return FaceOrExclusion(label, CLASSES[label], "")
    other = word.strip().lower()[:_LONGEST] or "(no label)"
    return FaceOrExclusion(UNLABELLED, other, "label is none of the seven classes")


def split_of_file(stem: str) -> str | None:
    """The split that the name of a table means: `train`, `test_labels`,
    `validation-00000-of-00001`; None for one that means none.
    """
    words = [
        word for word in re.split(r"[^A-Za-z0-9]+", stem) if not _ABOUT.fullmatch(word.lower())
    ]
    return split_of("".join(words)) or (split_of(words[0]) if words else None)
