"""What all readers share: entries are listed, counted, and become faces or exclusions.

A layout's class says where its files are and what its label files list; the rest is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

from tqdm import tqdm

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, UNLABELLED
from fer_core.base.logs import progress_off
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.label_files import Line
from fer_core.sources.files.tree import RawTree

__all__ = ["OTHER_FILE", "Entry", "FaceOrExclusion", "Reader", "excluded", "refuse_missing"]

OTHER_FILE = "(other file)"
"""Word for a file that is no image."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a data set lists: a face, or something that is left out.

    Attributes:
        key: what follows `<source>/` in the sample_id.
        split: train, val, test or none.
        usage: the source's own word for the split.
        label: index into `CLASSES`, -1 for none of them.
        word: what it is counted under; "" for the name of its class.
        official: what official counts call it; "" for `word`.
        reason: why it is left out; "" for a face.
        detail: the value that an exclusion shows; "" for the key.
        path: its picture in the data set, where that is known.
        group: what must not be in two splits; "" for the key.
        votes: for the seven classes in canonical order.
        note: what had to be done to read it.
        line: where it is listed.
    """

    key: str
    split: str
    usage: str = ""
    label: int = UNLABELLED
    word: str = ""
    official: str = ""
    reason: str = ""
    detail: str = ""
    path: str = ""
    group: str = ""
    votes: tuple[float, ...] | None = None
    note: str = ""
    line: Line | None = None

    @property
    def counted(self) -> str:
        """What it is counted under."""
        return self.word or CLASSES[self.label]


class FaceOrExclusion(NamedTuple):
    """What an id or a vote comes to.

    Attributes:
        label: index into `CLASSES`, -1 for none of them.
        word: what it is counted under.
        reason: why it is left out; "" for a face.
        votes: for the seven classes in canonical order.
    """

    label: int
    word: str
    reason: str
    votes: tuple[float, ...] | None = None


class Reader(ABC):
    """Reads one layout, picture by picture.

    Attributes:
        layout: its name, that of its module too.
        version: rises when the same tree gives other faces than before; kept in the face store.
        chunk: pictures that a thread takes at a time.
    """

    layout: ClassVar[str]
    version: ClassVar[int] = 1
    chunk: ClassVar[int] = 16

    @abstractmethod
    def recognise(self, tree: RawTree) -> bool:
        """True where the data set looks like this layout."""

    @abstractmethod
    def files(self, tree: RawTree) -> list[str]:
        """The files and folders that this reader may open, that of the labels first: what the
        descriptor's fingerprint covers.
        """

    @abstractmethod
    def entries(self, tree: RawTree, options: CleanOptions) -> Iterable[Any]:
        """What the label files list, in the same order on every machine; opens no image.

        Raises:
            DataError: a label file is missing or breaks its format; names file, line and text.
        """

    def located(self, tree: RawTree, entries: Iterable[Any]) -> Iterable[Any]:
        """The entries with the paths of their pictures.

        Raises:
            DataError: pictures are missing.
        """
        return entries

    def picture(self, tree: RawTree, entry: Any) -> bytes:
        """The encoded picture of an entry: the original file's bytes."""
        return tree.read(entry.path)

    def announce(self, tree: RawTree, options: CleanOptions) -> Announced:
        """Count the entries of the label files without opening an image.

        Raises:
            DataError: as `entries`, or the counts cannot be right.
        """
        announced: Announced = {}
        official: Announced = {}
        entries = self.entries(tree, options)
        for entry in tqdm(entries, desc="labels", leave=False, disable=progress_off()):
            tally(announced, entry.split, entry.counted)
            tally(official, entry.split, entry.official or entry.counted)
        self.check_counts(tree, options, official)
        return announced

    def check_counts(self, tree: RawTree, options: CleanOptions, counts: Announced) -> None:
        """Refuse counts that cannot be right."""
        check_official_counts(self.layout, counts, tree.where(self.files(tree)[0]))

    def scan(self, tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
        """Yield one Face or Exclusion per entry, in the same order on every machine.

        Raises:
            DataError: as `announce`, and for a missing image or a box that is none.
        """
        entries = self.located(tree, self.entries(tree, options))
        return ordered_map(lambda entry: self._item(tree, entry, source), entries, chunk=self.chunk)

    def _item(self, tree: RawTree, entry: Entry, source: str) -> Face | Exclusion:
        if entry.reason:
            show = None if entry.word == OTHER_FILE else partial(self.picture, tree, entry)
            return excluded(source, entry, entry.reason, entry.detail or entry.key, show)
        return Face(
            f"{source}/{entry.key}",
            self.picture(tree, entry),
            entry.label,
            entry.split,
            entry.usage,
            f"{source}/{entry.group or entry.key}",
            votes=entry.votes,
            note=entry.note,
        )


def excluded(
    source: str,
    entry: Entry,
    reason: str,
    detail: object,
    show: Callable[[], bytes] | None,
) -> Exclusion:
    """The exclusion of an entry."""
    key = f"{source}/{entry.key}"
    return Exclusion(key, reason, str(detail), entry.split, entry.counted, show)


def refuse_missing(
    missing: Mapping[str, Line], listed: int, what: str, expected: str, remedy: str
) -> None:
    """Refuse a list whose pictures are missing.

    Args:
        missing: names of the missing ones, and their lines.
        listed: how many there should be.
        what: they are.

    Raises:
        DataError: names the first and says how many, unless none is missing.
    """
    if not missing:
        return
    name, line = next(iter(missing.items()))
    raise DataError(
        f"{len(missing)} of {listed} listed {what} are missing.",
        where=f"{line.file}, line {line.number}",
        found=f"no file {name!r}",
        expected=expected,
        remedy=remedy,
    )
