"""Expression ids of AffectNet: their order is not ours, and four of them are none of the seven
classes.
"""

from typing import NamedTuple

from fer_core.base.labels import INDEX

__all__ = ["EXPRESSIONS", "Expression"]


class Expression(NamedTuple):
    """What an id means: `label` -1 where it is none of the seven, `word` what it is counted under,
    `reason` why it is left out.
    """

    label: int
    word: str
    reason: str


_SEVEN = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Angry")

EXPRESSIONS: dict[str, Expression] = {
    **{
        str(identifier): Expression(INDEX[name], name, "") for identifier, name in enumerate(_SEVEN)
    },
    "7": Expression(-1, "contempt", "AffectNet: contempt"),
    "8": Expression(-1, "none", "AffectNet: none of the expressions"),
    "9": Expression(-1, "uncertain", "AffectNet: the annotator was uncertain"),
    "10": Expression(-1, "no face", "AffectNet: no face"),
}
"""Meaning of each id, as the label files write it."""
