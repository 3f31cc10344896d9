"""One tiny valid tree for each layout in the registry, for tests that hold for every reader."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fer_core.data.cleaning import CleanSummary, clean
from fer_core.sources.descriptor import Descriptor, scanned, write_descriptor
from tests.sources import trees
from tests.sources.trees import clean_options, fer2013_csv, fer2013_rows, ferplus_csv, put

__all__ = ["LAYOUTS", "Layout", "cleaned"]


class Layout(NamedTuple):
    """A tree to play with.

    Attributes:
        build: writes it into a folder.
        labels: its label files that are text, one entry a line.
        images: its images.
        entry: a line of the first label file that names a file in the folder `{}`; "" where lines name none.
    """

    build: Callable[[Path], object]
    labels: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    entry: str = ""


def cleaned(work: Path, layout: str, **changes: object) -> CleanSummary:
    """Add and clean the tree in `work/raw/set` as a user does; the store is `work/set.arrow`."""
    descriptor = write_descriptor(work / "sources", scanned(Descriptor("set", layout, False), work / "raw", layout, "set"))
    return clean(descriptor, work / "set.arrow", clean_options(**changes), work / "raw")


def _fer2013(root: Path) -> None:
    fer2013_csv(root / "fer2013.csv", fer2013_rows([(0, "Training"), (3, "Training"), (6, "PublicTest")]))


def _ferplus(root: Path) -> None:
    _fer2013(root)
    lines = [
        "Training,fer0000000.png,0,0,0,1,9,0,0,0,0,0",
        "Training,,0,0,0,0,0,0,0,0,0,10",
        "PublicTest,fer0000001.png,6,0,0,4,0,0,0,0,0,0",
    ]
    ferplus_csv(root / "fer2013new.csv", lines)


_RAF = ("train_00001", "train_00002", "test_0001")
_EXPW = ["a.jpg 0 10 10 40 40 99.5 0", "a.jpg 1 -5 20 70 50 40 3", "b.jpg 0 0 0 80 60 70 6"]
_RAFML = ("Image/aligned/0001_aligned.jpg", "Image/aligned/0002_aligned.jpg")
_FOLDER7 = ("train/happy/a.png", "train/sad/b.jpg", "test/neutral/c.bmp")
_UNLABELLED = ("a.png", "more/b.jpg", "more/still/c.webp")


def _rafml(root: Path) -> None:
    (root / "EmoLabel").mkdir()
    (root / "EmoLabel/distribution.txt").write_text("0001.jpg 0.6 0.3 0 0 0.1 0\n0002.jpg 0 0 0.2 0.8 0 0\n")
    (root / "EmoLabel/partition_label.txt").write_text("0001.jpg 0\n0002.jpg 1\n")
    _put_all(_RAFML)(root)


def _put_all(paths: tuple[str, ...]) -> Callable[[Path], object]:
    return lambda root: [put(root / path, seed) for seed, path in enumerate(paths)]


LAYOUTS = {
    "fer2013": Layout(_fer2013, ("fer2013.csv",)),
    "ferplus": Layout(_ferplus, ("fer2013new.csv", "fer2013.csv")),
    "rafdb_basic": Layout(
        lambda root: trees.rafdb(root, [f"{name}.jpg {n + 1}" for n, name in enumerate(_RAF)]),
        ("EmoLabel/list_patition_label.txt",),
        tuple(f"Image/aligned/aligned/{name}_aligned.jpg" for name in _RAF),
        "{}train_00003.jpg 5",
    ),
    "rafdb_compound": Layout(
        lambda root: trees.rafdb(root, [f"{name}.jpg {n + 7}" for n, name in enumerate(_RAF)]),
        ("EmoLabel/list_patition_label.txt",),
        tuple(f"Image/aligned/aligned/{name}_aligned.jpg" for name in _RAF),
        "{}train_00003.jpg 11",
    ),
    "rafml": Layout(_rafml, ("EmoLabel/distribution.txt", "EmoLabel/partition_label.txt"), _RAFML, "{}0003.jpg 0.5 0.5 0 0 0 0"),
    "expw": Layout(
        lambda root: trees.expw(root, _EXPW), ("label.lst",), ("image/origin/a.jpg", "image/origin/b.jpg"), "{}c.jpg 0 1 1 9 9 50 0"
    ),
    "folder7": Layout(_put_all(_FOLDER7), images=_FOLDER7),
    "unlabelled": Layout(_put_all(_UNLABELLED), images=_UNLABELLED),
}
