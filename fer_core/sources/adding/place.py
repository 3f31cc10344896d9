"""Where a data set really lies: at the path that a user gives, or in the sole folder of a sole
folder below it.

Downloads are folders in folders and archives in folders. What is found is a path that `open_tree`
opens: a folder, an archive, or a folder inside an archive. Two things are known well enough to say
what is wrong with them: action-unit labels, and packed volumes.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fer_core.base.errors import DataError
from fer_core.pixels.picture_files import IMAGE_SUFFIXES, UNREADABLE_SUFFIXES, VIDEO_SUFFIXES
from fer_core.sources.catalogue.registry import LAYOUTS, UNLABELLED, reader_for, recognise
from fer_core.sources.files.archives import archive_stem
from fer_core.sources.files.label_files import read_lines
from fer_core.sources.files.names import is_split_or_class
from fer_core.sources.files.tree import TABLES, RawTree, open_tree

__all__ = ["FoundSet", "class_folders", "find_place", "packed", "still_packed"]

_WITH_LABELS = [name for name in LAYOUTS if name != UNLABELLED]
_DEPTH = 4
_FEW = 64
_UNPACK = {"xz": "xz", "lzma": "xz", "bz2": "bzip2", "zst": "zstd"}
_COMPRESSED = re.compile(
    rf".+?(?P<tar>\.tar)?\.(?P<kind>{'|'.join(_UNPACK)}|txz|tbz2?|tzst)", re.IGNORECASE
)
_PACKED = re.compile(r".+\.((7z|rar)(\.\d+)*|tar\.(xz|bz2|zst)|txz|tbz2?|tzst)", re.IGNORECASE)
_VOLUME = re.compile(r"(?P<name>.+\.7z\.(?P<number>\d{3}))(\.\d{3})?", re.IGNORECASE)
_ACTION_UNITS = re.compile(
    r"\S+\.(jpg|jpeg|png)\s+(null|[LRTB]?\d+(\+[LRTB]?\d+)*)\s*", re.IGNORECASE
)


@dataclass(frozen=True)
class FoundSet:
    """Where a data set lies.

    Attributes:
        path: a folder, an archive, or a folder inside an archive; absolute.
        tree: what it holds.
        layout: what it is read as.
    """

    path: Path
    tree: RawTree
    layout: str


def find_place(given: Path, preferred: str | None = None, layout: str | None = None) -> FoundSet:
    """The place of a data set, at a path or up to four sole folders below it.

    Args:
        given: a folder, an archive, a folder inside an archive, or a label table, which means
            its folder.
        preferred: of several layouts that fit this one wins.
        layout: take it for this one, whatever it looks like.

    Raises:
        DataError: there is nothing, nothing has a known layout, there are several data sets, only
            action units are labelled, or it is packed in a form that cannot be read in place.
    """
    try:
        given = given.expanduser().absolute()
        given.exists()
    except (OSError, RuntimeError) as error:
        raise DataError(
            "This is no path.", where=str(given)[:200], found=str(error)[:200]
        ) from error
    if given.is_file() and archive_stem(given.name) is None:
        return _of_table(given, preferred, layout)
    steps: list[tuple[Path, RawTree]] = []
    for path, tree in _descent(given):
        if found := _layout_of(tree, preferred, layout) or (
            not steps and layout is None and _unlabelled(tree)
        ):
            return FoundSet(path, tree, found)
        steps.append(
            (path, tree)
        )  # further down, pictures may seem unlabelled only because their table lies here
    path, tree = steps[-1]
    if packed(tree):
        raise still_packed(tree)
    for _, above in steps:
        _refuse_action_units(above)
    if layout is not None:
        return FoundSet(given, steps[0][1], layout)  # its reader knows best what is missing
    if below := [
        name for name in tree.folders()[:_FEW] if _layout_of(open_tree(_inside(path, tree, name)))
    ]:
        raise DataError(
            "There is no data set at this path, but below it.",
            where=path,
            found=", ".join(below),
            remedy=f"add each by itself, such as {_inside(path, tree, below[0])}",
        )
    return FoundSet(
        given, steps[0][1], recognise(steps[0][1])
    )  # raises, and says what each layout looks like


def class_folders(place: Path) -> Path:
    """The folder that itself holds split or class folders: this one, or the sole folder in it, or
    the sole one in that.

    Raises:
        DataError: there are several folders and none has such a name.
    """
    for path, tree in _descent(place):
        names = tree.folders()
        if any(is_split_or_class(name) for name in names):
            return path
        if len(names) != 1:
            raise DataError(
                "No folder here has the name of a split or class.",
                where=path,
                found=", ".join(names[:8]) or "no folders",
                expected="train, val, test or names of classes",
                remedy=f"add each by itself, such as {_inside(path, tree, names[0])}"
                if names
                else "give the folder above the class folders",
            )
    raise DataError(
        "No folder has the name of a split or class.",
        where=place,
        remedy="give the folder above the class folders",
    )


def _of_table(table: Path, preferred: str | None, layout: str | None) -> FoundSet:
    """The folder of a label table, or the one above it where tables have a folder of their own
    (`EmoLabel/`, `label/`); the table itself where its folder would be read by another one.

    Raises:
        DataError: no layout, or not the one that is asked for, reads this very file.
    """
    _refuse_other_files(table)
    folders = [table.parent, table.parent.parent]
    if "label" in table.parent.name.lower():
        folders.reverse()
    layouts = [layout] if layout else sorted(_WITH_LABELS, key=lambda name: preferred != name)
    faults: list[DataError] = []
    for path in (*folders, table):
        if path == table and not table.name.lower().endswith(TABLES):
            continue
        tree = open_tree(path)
        name = table.relative_to(tree.place).as_posix().lower()
        for candidate in layouts:
            try:
                if _reads(tree, candidate, name):
                    return FoundSet(path, tree, candidate)
            except DataError as error:
                faults.append(error)
    if faults and layout is not None:
        raise faults[0]
    _refuse_action_units(open_tree(table.parent))
    raise DataError(
        "This is no label table of a layout that I know."
        if layout is None
        else f"Layout {layout} does not read this file.",
        where=table,
        expected=f"a table of {', '.join(layouts)}; a csv needs a column of paths (file, image, "
        "path, …) and one of labels (label, emotion, …)",
        remedy="give the folder of the data set, or say with --layout what it is",
    )


def _reads(tree: RawTree, layout: str, table: str) -> bool:
    """Whether a layout fits and this file, in small letters, is one of its label files."""
    reader = reader_for(layout)
    if not reader.recognise(tree):
        return False
    parts = [name.lower() for name in reader.files(tree)]
    inside = not any(map(tree.is_file, parts))  # lists lie in the folders that are named
    return table in parts or (
        inside and any(part and table.startswith(f"{part}/") for part in parts)
    )


def _refuse_other_files(given: Path) -> None:
    """Refuse a file that can be neither a table nor an archive that is read in place.

    Raises:
        DataError: says what to do.
    """
    name = given.name
    if _PACKED.fullmatch(name) and not _COMPRESSED.fullmatch(name):
        raise still_packed(open_tree(given.parent))
    if found := _COMPRESSED.fullmatch(name):
        how = _UNPACK.get(found["kind"].lower())
        raise DataError(
            "An archive of this kind cannot be read in place.",
            where=given,
            expected="a folder, a .zip or a .tar",
            remedy=f"unpack it (`tar -xf {name}`) and add the folder"
            if found["tar"] or how is None
            else f"unpack it: `{how} -dk {name}`; then add what comes out",
        )
    kinds = {
        "picture": IMAGE_SUFFIXES | UNREADABLE_SUFFIXES,
        "video": VIDEO_SUFFIXES,
    }
    for kind, suffixes in kinds.items():
        if given.suffix.lower() in suffixes:
            raise DataError(
                f"This is a {kind}, not a data set.",
                where=given,
                expected="a folder, an archive or a label table",
                remedy="give the folder of the data set; `fer predict` answers for single pictures"
                if kind == "picture"
                else f"`fer data frames OUT {shlex.quote(name)}` cuts faces out; then add OUT",
            )


def _descent(start: Path) -> Iterator[tuple[Path, RawTree]]:
    """A path and the sole folders below it, each as a tree of its own."""
    path = start
    for depth in range(_DEPTH + 1):
        tree = open_tree(path)
        yield path, tree
        folders = tree.folders()
        if {"blobs", "snapshots"} <= {*folders}:  # as the Hugging Face hub fetches a repository
            path = path / "snapshots"
            tree = open_tree(path)
            folders = tree.folders()
            if len(folders) > 1:
                raise DataError(
                    "Several snapshots of one repository lie here.",
                    where=path,
                    found=", ".join(folders[:4]),
                    remedy=f"give the one that is meant, such as {path / folders[0]}",
                )
        if len(folders) != 1 or depth == _DEPTH:
            return
        path = _inside(path, tree, folders[0])


def _layout_of(
    tree: RawTree, preferred: str | None = None, layout: str | None = None
) -> str | None:
    """The layout with labels that a tree has; None where it has none, or not the one that is asked
    for.
    """
    if layout is not None:
        return layout if reader_for(layout).recognise(tree) else None
    with_labels = sorted(_WITH_LABELS, key=lambda name: preferred != name)
    return next((name for name in with_labels if reader_for(name).recognise(tree)), None)


def _unlabelled(tree: RawTree) -> str | None:
    return UNLABELLED if reader_for(UNLABELLED).recognise(tree) else None


def _inside(path: Path, tree: RawTree, name: str) -> Path:
    """Path of a folder of a tree; of an archive that is read as one, the archive's."""
    if not tree.is_archive(name):
        return path / name
    return max(file for file in path.iterdir() if archive_stem(file.name) == name)


def _refuse_action_units(tree: RawTree) -> None:
    """RAF-AU: `RAFAU_label.txt` with lines such as `0001.jpg 1+2+L12`, landmarks and pictures, but
    no emotion.

    Raises:
        DataError: there is a list of this form, and none whose name speaks of emotions.
    """
    lists = [name for name in tree.names() if name.lower().endswith(".txt") and tree.is_file(name)]
    if any("emo" in name.lower() for name in tree.names()):
        return
    for name in lists:
        try:
            lines = [line.text for line in islice(read_lines(tree, name), _FEW)]
        except DataError:
            continue  # no text, so no such list
        if any("+" in line for line in lines) and all(map(_ACTION_UNITS.fullmatch, lines)):
            raise DataError(
                "These are labels of action units, as in RAF-AU, not of emotions.",
                where=tree.where(name),
                found=repr(lines[0]),
                expected="a data set with emotions",
                remedy="the pictures of RAF-AU are from RAF-ML, which has emotions: `fer data add "
                "rafml_argmax PATH`",
            )


def packed(tree: RawTree) -> list[str]:
    """Archives that cannot be read in place, and their volumes, in a tree's top folder and the
    folders in it, sorted.
    """
    folders = ["", *(f"{name}/" for name in tree.folders()[:_FEW] if not tree.is_archive(name))]
    return sorted(
        f"{folder}{name}"
        for folder in folders
        for name in tree.names(folder.rstrip("/"))
        if _PACKED.fullmatch(name)
    )


def still_packed(tree: RawTree) -> DataError:
    """The error for a data set whose pictures are in archives that cannot be read in place; knows
    ExpW's misnamed first volume.
    """
    names = packed(tree)
    folder, _, first = names[0].rpartition("/")
    volumes = [
        match
        for name in names
        if name.startswith(folder) and (match := _VOLUME.fullmatch(name.rpartition("/")[2]))
    ]
    steps = []
    if volumes:
        numbers = {int(volume["number"]) for volume in volumes}
        if missing := sorted(set(range(1, max(numbers) + 1)) - numbers):
            steps.append(
                f"fetch the missing volumes {', '.join(f'{number:03}' for number in missing)}"
            )
        steps += [
            f"rename {volume[0]} to {volume['name']}"
            for volume in volumes
            if volume[0] != volume["name"]
        ]
        first = volumes[0]["name"]
    command = "tar -xf" if _COMPRESSED.fullmatch(first) else "7z x"
    steps.append(
        f"unpack it: `{command} {first}` in {tree.where(folder)}; then add the data set again"
    )
    return DataError(
        "The pictures are still packed in a form that cannot be read in place.",
        where=tree.where(folder),
        found=", ".join(names),
        expected="a folder, a .zip or a .tar",
        remedy="; ".join(steps),
    )
