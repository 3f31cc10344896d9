"""The seven classes in canonical order: the only place where class order exists.

Index i of every logit vector, vote vector, metric and ONNX output is `CLASSES[i]`. Artifacts carry
the list and are refused when theirs differs (`check_class_order`).
"""

import re
import unicodedata
from collections.abc import Sequence

from fer_core.base.errors import ArtifactError
from fer_core.base.translations import TRANSLATIONS

__all__ = [
    "CLASSES",
    "INDEX",
    "NEVER",
    "N_CLASSES",
    "SELF_LABELLED",
    "UNLABELLED",
    "check_class_order",
    "class_index",
]

CLASSES: tuple[str, ...] = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
N_CLASSES = len(CLASSES)
INDEX: dict[str, int] = {name: index for index, name in enumerate(CLASSES)}
UNLABELLED = -1
NEVER = -1e4
"""Logit of a class that is never answered: its probability is 0 under any calibration."""
SELF_LABELLED = "self-labelled"
"""`usage` of faces whose label a network gave: they are learnt from in adaptation alone."""

_ALIASES: dict[str, str] = {
    "angry": "Angry",
    "anger": "Angry",
    "disgust": "Disgust",
    "disgusted": "Disgust",
    "fear": "Fear",
    "fearful": "Fear",
    "happy": "Happy",
    "happiness": "Happy",
    "sad": "Sad",
    "sadness": "Sad",
    "surprise": "Surprise",
    "surprised": "Surprise",
    "suprise": "Surprise",
    "surprize": "Surprise",
    "neutral": "Neutral",
    "natural": "Neutral",
    **TRANSLATIONS,
}


def class_index(name: str) -> int | None:
    """Index of the class that a label name means, or None for a name outside the seven (contempt,
    none, …).

    Case, accents, a number before the name and everything that is neither letter nor digit are
    ignored: "Happiness ", "HAPPY" and "3_happy" are one class, and so are "colère" and "Angry".
    """
    plain = unicodedata.normalize("NFKD", name.lower())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    word = re.sub(r"^\s*[0-9]{1,2}[^a-z0-9]+", "", plain)
    canonical = _ALIASES.get(re.sub(r"[^a-z0-9]", "", word))
    return None if canonical is None else INDEX[canonical]


def check_class_order(found: Sequence[str], where: object) -> None:
    """Refuse a class order other than ours.

    Raises:
        ArtifactError: names the file, the order found and the order expected.
    """
    if tuple(found) != CLASSES:
        raise ArtifactError(
            "The class order of this file is not the project's.",
            where=where,
            found=list(found),
            expected=list(CLASSES),
            remedy="make the file again with this version: its numbers would be read as other "
            "emotions",
        )
