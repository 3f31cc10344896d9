"""What must hold of a data set before its descriptor is written, and what its user should know."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from fer_core.base.errors import DataError
from fer_core.sources.adding.findings import faces_in
from fer_core.sources.adding.links import COLLECTION
from fer_core.sources.adding.place import FoundSet, class_folders
from fer_core.sources.catalogue.descriptor import Descriptor
from fer_core.sources.catalogue.faces import Announced
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.catalogue.registry import reader_for
from fer_core.sources.files.subjects import check_pattern, person_in
from fer_core.sources.files.tree import open_tree

__all__ = [
    "checked_pattern",
    "part_of_collection",
    "refuse_another_layout",
    "refuse_without_faces",
    "remarks_on",
]


def checked_pattern(given: str | None, known: str) -> str:
    """The pattern that finds persons.

    Raises:
        DataError: it is no regular expression.
    """
    if given is None:
        return known
    try:
        check_pattern(given)
    except ValueError as error:
        raise DataError(
            "This finds no persons.",
            where="--group-pattern",
            found=error,
            expected="a regular expression, such as '^(.+)_[0-9]+\\.jpg'; its first group is the "
            "person",
        ) from error
    return given


def remarks_on(place: FoundSet, after: Descriptor, options: CleanOptions) -> list[str]:
    """What the reader has to say, and who is known to be on the pictures."""
    reader = reader_for(place.layout)
    found = reader.remarks(place.tree, options)
    if after.corrected:
        found.append("class counts are not the official ones; they were taken as corrected")
    if after.group_pattern:
        entries = (entry for entry in reader.entries(place.tree, options) if not entry.reason)
        persons = Counter(person_in(entry.key, after.group_pattern) for entry in entries)
        alone = persons.pop("", 0)
        found.append(
            f"the pattern {after.group_pattern} finds {len(persons)} persons in "
            f"{sum(persons.values())} pictures; in {alone} it finds none: each is a group of its "
            "own"
        )
    elif given := reader.no_persons(place.tree, options):
        found.append(
            "nobody says who is on each picture: pictures of one person may come into different "
            "splits, which flatters the results of posed sets. To say it, give "
            f"{given}, or use --group-pattern"
        )
    return found


def part_of_collection(place: FoundSet, raw: Path) -> FoundSet:
    """One more folder of `custom`.

    Raises:
        DataError: another layout, or no class folders in it.
    """
    if place.layout != "folder7":
        raise DataError(
            "`custom` takes folders of class folders.",
            where=place.path,
            found=f"layout {place.layout}",
            expected="layout folder7",
            remedy="give it a name of its own: `fer data add NAME PATH`",
        )
    if place.path.resolve() == (raw / COLLECTION).resolve():
        return place
    path = class_folders(place.path)
    return replace(place, path=path, tree=open_tree(path))


def refuse_another_layout(before: Descriptor, place: FoundSet, force: bool) -> None:
    """Names are used in params.yaml, in sample_ids and in results: what they mean must not change
    unnoticed.

    Raises:
        DataError: this name meant another layout until now.
    """
    if before.layout in ("", place.layout) or force:
        return
    if before.present:
        problem = "This would turn a data set that is there into one of another layout."
        remedy = (
            f"add it under a name of its own, or as it was with --layout {before.layout}, or "
            "replace the old one with --force"
        )
    else:
        problem = "The data set of this name has another layout."
        remedy = (
            f"add it under another name, or say what is meant: --layout {place.layout} or --layout "
            f"{before.layout}"
        )
    raise DataError(
        problem,
        where=place.path,
        found=f"layout {place.layout}",
        expected=f"layout {before.layout}",
        remedy=remedy,
    )


def refuse_without_faces(counts: Announced, where: Path, force: bool) -> None:
    """A data set has faces, unless its user insists.

    Raises:
        DataError: it has none.
    """
    if faces_in(counts) == 0 and not force:
        raise DataError(
            "There is no face here.",
            where=where,
            found="; ".join(
                f"{split}: {word} {count}"
                for split, words in counts.items()
                for word, count in words.items()
            )
            or "no entries",
            expected="entries of the seven classes, or pictures",
            remedy="name the folders after the classes, or say with --layout what it is; --force "
            "adds it all the same",
        )
