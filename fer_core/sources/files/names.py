"""What names of folders mean: classes and splits, and which names speak of a split without saying
which.

`training_set`, `FER2013Valid` and `PublicTest` are splits; `test_old` and `mytests` are not, but a
folder of that name must not be taken for train either.
"""

import re

from fer_core.base.labels import class_index

__all__ = ["is_split_or_class", "looks_like_split", "split_of"]

_WORDS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "validate", "dev", "development"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
# what else a name may hold: "train_set", "FER2013Train", "PublicTest", "test_images"
_AROUND = (
    "set|data|dataset|split|folder|dir|images?|imgs?|pictures?|faces?"
    "|public|private|fer2013|fer|2013"
)
_NAME = re.compile(
    f"(?:{_AROUND})*({'|'.join(sorted(_SPLIT_OF, key=len, reverse=True))})(?:{_AROUND})*"
)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SPEAKS = re.compile(r"(?:train|valid|test).*|.*(?:train|valid|tests?)|val|dev|eval")
_OTHER_WORDS = frozenset({"latest", "contest", "greatest"})  # end like one, and mean none


def split_of(name: str) -> str | None:
    """The split that a folder name means: train, val or test; None for every other name.

    Case and everything that is neither letter nor digit are ignored.
    """
    found = _NAME.fullmatch(re.sub(r"[^a-z0-9]", "", name.lower()))
    return None if found is None else _SPLIT_OF[found[1]]


def looks_like_split(name: str) -> bool:
    """True for a name one of whose words begins or ends as a split's does: what holds it must not
    be guessed.
    """
    words = (word.lower() for word in _PARTS.findall(name))
    return any(_SPEAKS.fullmatch(word) is not None and word not in _OTHER_WORDS for word in words)


def is_split_or_class(name: str) -> bool:
    """True for a folder name that layout `folder7` gives a meaning."""
    return split_of(name) is not None or class_index(name) is not None
