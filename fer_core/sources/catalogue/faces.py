"""What every reader yields: a face, or the note that one was left out and why."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fer_core.base.labels import CLASSES

__all__ = ["SPLITS", "UNDECODABLE", "Announced", "Exclusion", "Face", "tally", "word_of"]

SPLITS = ("train", "val", "test", "none")

UNDECODABLE = "undecodable image"
"""Reason of an exclusion that counts against `clean.allow_undecodable`."""

Announced = dict[str, dict[str, int]]
"""Entries of the label files: split -> class name, or the source's word for what is none of the
seven -> count.
"""


@dataclass(frozen=True)
class Face:
    """One labelled face of a raw data set.

    Attributes:
        sample_id: `<source>/<relative path>`, plus `#<face>` where a photo has several, or
            `<source>/<usage>-<row>` of a table.
        image: an encoded image: the original file's bytes where nothing is cropped.
        label: index into `CLASSES`, -1 where the source gives none.
        split: train, val, test or none, as the source says.
        usage: the source's own word for the split.
        group: what must not straddle splits: the photo or subject; where nothing is known, the
            sample_id.
        votes: annotators' votes or shares for the seven classes in canonical order, not normalised.
        confidence: of the source's face detector, in the source's unit.
        orig_image: the photo a crop was cut from, as the label file names it.
        face_id: number of the face in its photo.
        box: top, left, bottom, right in pixels of the photo, as the label file gives them.
        note: what had to be done to read it ("box clipped to the photo"); counted, not an error.
        subgroups: what people recorded of the person ("age=20-39;gender=female"), or "".
    """

    sample_id: str
    image: bytes
    label: int
    split: str
    usage: str
    group: str
    votes: tuple[float, ...] | None = None
    confidence: float | None = None
    orig_image: str | None = None
    face_id: int | None = None
    box: tuple[int, int, int, int] | None = None
    note: str = ""
    subgroups: str = ""


@dataclass(frozen=True)
class Exclusion:
    """An entry of the label files that gives no face.

    Attributes:
        sample_id: as of a face.
        reason: one of a few fixed sentences per layout, so that reasons can be counted.
        detail: the offending value; names no folder of this machine.
        split: as of a face.
        word: what it was announced under: a class name, or the source's word for what is none of
            the seven.
        show: gives the encoded picture, or the photo, for people to look at; None where there is
            none. It may raise a DataError.
    """

    sample_id: str
    reason: str
    detail: str
    split: str
    word: str
    show: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)


def tally(announced: Announced, split: str, word: str) -> None:
    """Add one entry to the counts."""
    counts = announced.setdefault(split, {})
    counts[word] = counts.get(word, 0) + 1


def word_of(item: Face | Exclusion) -> str:
    """What an item was announced under."""
    if isinstance(item, Exclusion):
        return item.word
    return CLASSES[item.label] if item.label >= 0 else "unlabelled"
