"""Class counts that the makers of a data set have published: a full list with other counts has its
labels in another order.

There are copies of the well-known sets whose ids follow another set's order. Each of their lines
is valid; only the counts tell.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.catalogue.faces import Announced

__all__ = [
    "ALL_SPLITS",
    "OFFICIAL",
    "OFFICIAL_SPLITS",
    "CorrectedCounts",
    "OfficialCounts",
    "OfficialSplits",
    "check_official_counts",
]

ALL_SPLITS = "all"
"""Split of counts that are known only for the whole data set."""


class CorrectedCounts(DataError):
    """Counts near the official ones: of a copy whose labels were corrected, or of a damaged one."""


class OfficialCounts(NamedTuple):
    """What one part of a data set holds.

    Attributes:
        part: its name, for error texts.
        split: of ours; `ALL_SPLITS` for all of them together.
        total: entries of these classes, as published beside the counts.
        counts: class -> entries.
        others: numbers of entries of no such class that editions of this part have besides.
    """

    part: str
    split: str
    total: int
    counts: dict[str, int]
    others: tuple[int, ...] = (0,)


class OfficialSplits(NamedTuple):
    """How many entries of each split a whole data set has, where no counts per class are known.

    Attributes:
        edition: its name, for error texts.
        splits: split of ours -> entries.
    """

    edition: str
    splits: dict[str, int]


def _seven(*counts: int) -> dict[str, int]:
    """Counts of the seven classes, in canonical order."""
    return dict(zip(CLASSES, counts, strict=True))


_FER2013_PUBLIC = _seven(467, 56, 496, 895, 653, 415, 607)
_FER2013_PRIVATE = _seven(491, 55, 528, 879, 594, 416, 626)
_AFFECTNET_VAL = _seven(500, 500, 500, 500, 500, 500, 500)

OFFICIAL: dict[str, tuple[OfficialCounts, ...]] = {
    "fer2013": (
        OfficialCounts(
            "FER2013 Training",
            "train",
            28709,
            _seven(3995, 436, 4097, 7215, 4830, 3171, 4965),
        ),
        OfficialCounts("FER2013 PublicTest", "test", 3589, _FER2013_PUBLIC),
        OfficialCounts("FER2013 PrivateTest", "test", 3589, _FER2013_PRIVATE),
        OfficialCounts(
            "FER2013 PublicTest and PrivateTest",
            "test",
            7178,
            dict(Counter(_FER2013_PUBLIC) + Counter(_FER2013_PRIVATE)),
        ),
    ),
    "ferplus, majority": (  # of the authors' program: 25,060 with contempt
        OfficialCounts(
            "FERPlus Training",
            "train",
            24941,
            _seven(2100, 119, 532, 7287, 3014, 3149, 8740),
            others=(3768,),  # contempt, unknown and no face
        ),
    ),
    "rafdb_basic": (
        OfficialCounts(
            "RAF-DB basic train",
            "train",
            12271,
            _seven(705, 717, 281, 4772, 1982, 1290, 2524),
        ),
        OfficialCounts(
            "RAF-DB basic test",
            "test",
            3068,
            _seven(162, 160, 74, 1185, 478, 329, 680),
        ),
    ),
    "rafdb_compound": (
        OfficialCounts(
            "RAF-DB compound",
            ALL_SPLITS,
            3954,
            {
                "Happily Surprised": 697,
                "Happily Disgusted": 266,
                "Sadly Fearful": 129,
                "Sadly Angry": 163,
                "Sadly Surprised": 86,
                "Sadly Disgusted": 738,
                "Fearfully Angry": 150,
                "Fearfully Surprised": 560,
                "Angrily Surprised": 176,
                "Angrily Disgusted": 841,
                "Disgustedly Surprised": 148,
            },
        ),
    ),
    "expw": (
        OfficialCounts(
            "ExpW",
            "train",
            91793,
            _seven(3671, 3995, 1088, 30537, 10559, 7060, 34883),
        ),
    ),
    "affectnet": (
        OfficialCounts(
            "AffectNet training",
            "train",
            283901,
            _seven(24882, 3803, 6378, 134415, 25459, 14090, 74874),
            others=(0, 3750, 130898),  # contempt; with none, uncertain and no-face too
        ),
        *(
            OfficialCounts(
                "AffectNet validation", split, 3500, _AFFECTNET_VAL, others=(0, 500, 2000)
            )
            for split in ("val", "test")
        ),
    ),
}

OFFICIAL_SPLITS: dict[str, tuple[OfficialSplits, ...]] = {
    "rafdb_basic": (OfficialSplits("RAF-DB basic", {"train": 12271, "test": 3068}),),
    "rafdb_compound": (OfficialSplits("RAF-DB compound", {"train": 3162, "test": 792}),),
    "rafml": (OfficialSplits("RAF-ML", {"train": 3926, "test": 982}),),
    "folder7": (
        OfficialSplits("FER2013 uniform 7", {"train": 112000, "val": 14000, "test": 14000}),
        OfficialSplits("AffectNet full balanced", {"train": 57414, "test": 14350}),
        OfficialSplits("FERPlus folders", {"train": 116758, "val": 14682, "test": 7086}),
    ),
}
"""Editions that are recognised by their whole size: with another division of it, a split was taken
for another.
"""


def check_official_counts(layout: str, announced: Announced, where: object) -> None:
    """Refuse class counts other than the official ones in a split of the official size; other sizes
    (subsets) pass.

    Args:
        layout: a key of `OFFICIAL` or `OFFICIAL_SPLITS`; others pass.
        announced: what the label files list: split -> class -> entries. Of rafdb_compound the
            eleven compound classes.
        where: the label file, for the error text.

    Raises:
        DataError: a split has the official number of entries, but not in the official classes, or
            the whole data set has it, but not in the official splits; both are listed.
    """
    _check_splits(
        layout, {split: sum(counts.values()) for split, counts in announced.items()}, where
    )
    together: Counter[str] = Counter()
    for counts in announced.values():
        together.update(counts)
    for split, found in {**announced, ALL_SPLITS: dict(together)}.items():
        total = sum(found.values())
        parts = [
            part
            for part in OFFICIAL.get(layout, ())
            if part.split == split and total - part.total in part.others
        ]
        if parts and not any(_fits(found, part) for part in parts):
            raise _other_order(
                found, min(parts, key=lambda part: len(_differing(found, part))), where
            )


def _check_splits(layout: str, found: dict[str, int], where: object) -> None:
    sizes = {split: size for split, size in found.items() if size}
    editions = [
        edition
        for edition in OFFICIAL_SPLITS.get(layout, ())
        if sum(edition.splits.values()) == sum(sizes.values())
    ]
    if editions and all(edition.splits != sizes for edition in editions):
        raise DataError(
            f"The splits cannot be right: as many entries as {editions[0].edition} has, divided in "
            "another way.",
            where=where,
            found=_listed(sizes.items()),
            expected=_listed(editions[0].splits.items()),
            remedy="look whether a split was taken for another; fetch the official edition",
        )


def _fits(found: dict[str, int], part: OfficialCounts) -> bool:
    return not _differing(found, part)


def _differing(found: dict[str, int], part: OfficialCounts) -> list[str]:
    return [name for name, count in part.counts.items() if found.get(name, 0) != count]


def _other_order(found: dict[str, int], part: OfficialCounts, where: object) -> DataError:
    counts = [found.get(name, 0) for name in part.counts]
    permuted = sorted(counts) == sorted(part.counts.values())
    problem = (
        f"The label order cannot be right: as many entries as {part.part} has, but other counts "
        "per class."
    )
    if permuted:
        problem += (
            " They are a permutation of the official counts: the same numbers belong to other "
            "classes."
        )
    remedy = "fetch the official label list"
    if permuted:
        remedy += "; this copy numbers its classes in another order"
    else:
        remedy += "; `fer data add --force` takes this one, if its labels were corrected on purpose"
    return (DataError if permuted else CorrectedCounts)(
        problem,
        where=where,
        found=_listed(zip(part.counts, counts, strict=True)),
        expected=_listed(part.counts.items()),
        remedy=remedy,
    )


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts)
