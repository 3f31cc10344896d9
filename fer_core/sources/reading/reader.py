"""What all readers share: entries are listed, counted, and become faces or exclusions.

A layout's class says where its files are and what its label files list; the rest is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, ClassVar, NamedTuple, TypeVar

from tqdm import tqdm

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, UNLABELLED
from fer_core.base.logs import progress_off
from fer_core.pixels.parallel import ordered_map
from fer_core.pixels.picture_files import UNREADABLE_SUFFIXES, suffix_of
from fer_core.sources.catalogue.faces import UNDECODABLE, Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.official_counts import CorrectedCounts, check_official_counts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.label_files import Line
from fer_core.sources.files.subgroups import SUBGROUPS, read_subgroups
from fer_core.sources.files.tree import RawTree

__all__ = [
    "OTHER_FILE",
    "Entry",
    "FaceOrExclusion",
    "Reader",
    "excluded",
    "left_out_file",
    "settle_missing",
]

OTHER_FILE, UNREADABLE = "(other file)", "(HEIC, AVIF or JPEG XL)"
"""Words for a file that is no image, and for one in a format that cannot be decoded here."""


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
    def pictured(self) -> str:
        """The picture as its list names it."""
        return self.key

    @property
    def counted(self) -> str:
        """What it is counted under."""
        return self.word or CLASSES[self.label]


Listing = TypeVar("Listing", bound=Entry)


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

    def located(
        self, tree: RawTree, entries: Iterable[Any], options: CleanOptions
    ) -> Iterable[Any]:
        """The entries with the paths of their pictures.

        Raises:
            DataError: more pictures are missing than `clean.allow_undecodable` allows.
        """
        return entries

    def covered(self, tree: RawTree) -> list[str]:
        """What the descriptor's fingerprint covers: `files`, and the table of subgroups."""
        return [*self.files(tree), *([SUBGROUPS] if tree.is_file(SUBGROUPS) else [])]

    def subgroups(self, tree: RawTree) -> Mapping[str, str]:
        """Key of a face -> its subgroups, as people recorded them; nothing is guessed.

        Raises:
            DataError: a faulty table.
        """
        return read_subgroups(tree)

    def remarks(self, tree: RawTree, options: CleanOptions) -> list[str]:
        """What a user should know when the data set is added, each as a sentence without a full
        stop.
        """
        return []

    def no_persons(self, tree: RawTree, options: CleanOptions) -> str:
        """What can be given to say who is on each picture, where that is not known and may matter;
        else "".
        """
        return ""

    def picture(self, tree: RawTree, entry: Any) -> bytes:
        """The encoded picture of an entry: the original file's bytes."""
        return tree.read(entry.path)

    def cost(self, tree: RawTree, entry: Any) -> int:
        """Bytes of memory that the encoded picture of an entry takes."""
        return 0 if entry.reason else tree.size(entry.path)

    def announce(
        self, tree: RawTree, options: CleanOptions, *, corrected: bool = False
    ) -> Announced:
        """Count the entries of the label files without opening an image.

        Args:
            tree: the data set.
            options: section `clean`.
            corrected: its labels are known to differ from the official ones.

        Raises:
            DataError: as `entries`, or the counts cannot be right.
        """
        announced: Announced = {}
        official: Announced = {}
        entries = self.entries(tree, options)
        for entry in tqdm(entries, desc="labels", leave=False, disable=progress_off()):
            tally(announced, entry.split, entry.counted)
            tally(official, entry.split, entry.official or entry.counted)
        try:
            self.check_counts(tree, options, official)
        except CorrectedCounts:
            if not corrected:
                raise
        return announced

    def check_counts(self, tree: RawTree, options: CleanOptions, counts: Announced) -> None:
        """Refuse counts that cannot be right."""
        check_official_counts(self.layout, counts, tree.where(self.files(tree)[0]))

    def scan(self, tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
        """Yield one Face or Exclusion per entry, in the same order on every machine.

        Raises:
            DataError: as `announce`, and for a missing image or a box that is none.
        """
        entries = self.located(tree, self.entries(tree, options), options)
        return ordered_map(
            lambda entry: self._item(tree, entry, source),
            entries,
            chunk=self.chunk,
            cost=lambda entry: self.cost(tree, entry),
        )

    def _item(self, tree: RawTree, entry: Entry, source: str) -> Face | Exclusion:
        if entry.reason:
            show = (
                None
                if entry.word in (OTHER_FILE, UNREADABLE)
                else partial(self.picture, tree, entry)
            )
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


def left_out_file(path: str) -> tuple[str, str]:
    """Word and reason of an entry for a file that has not the ending of an image."""
    if suffix_of(path) in UNREADABLE_SUFFIXES:
        return (
            UNREADABLE,
            "picture in a format that cannot be decoded here: save it as JPEG or PNG",
        )
    return OTHER_FILE, "not an image file"


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


def settle_missing(
    tree: RawTree,
    entries: Iterable[Listing],
    options: CleanOptions,
    *,
    what: str,
    expected: str,
    remedy: str,
) -> list[Listing]:
    """The entries, those without a picture as exclusions where `clean.allow_undecodable` allows so
    many.

    Args:
        tree: the data set.
        entries: with the paths of their pictures, or "" where none was found.
        options: section `clean`.
        what: they are.
        expected: where each should lie; `{}` is the first missing one without its ending.
        remedy: what to do.

    Raises:
        DataError: more are missing; names the first and its line, and says how many.
    """
    entries = list(entries)
    missing = [not (entry.path and tree.is_file(entry.path)) for entry in entries]
    needed = [entry for entry, gone in zip(entries, missing, strict=True) if gone]
    if not needed:
        return entries
    lost = sum(not entry.reason for entry in needed)
    if lost <= options.allow_undecodable and not all(missing):
        return [
            replace(entry, reason=UNDECODABLE, detail="there is no such file")
            if gone and not entry.reason
            else entry
            for entry, gone in zip(entries, missing, strict=True)
        ]
    listed, absent = ({entry.pictured for entry in some} for some in (entries, needed))
    first = needed[0]
    line = first.line
    raise DataError(
        f"{len(absent)} of {len(listed)} listed {what} are missing.",
        where=f"{line.file}, line {line.number}" if line is not None else tree.place,
        found=f"no file {first.pictured!r}",
        expected=expected.format(PurePosixPath(first.pictured).stem),
        remedy=f"{remedy}; or raise clean.allow_undecodable to leave them out",
    )
