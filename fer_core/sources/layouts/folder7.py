"""Folders named after classes: `{train,val,test}/{class}/file`, or `{class}/file` (then all is
train), or several of these side by side.

Covers the FER2013 and FERPlus folders of Kaggle, AffectNet folder copies and one's own pictures. A
class folder may have any alias that `fer_core.base.labels` knows, a split folder any that
`files.names` knows; faces in other folders (contempt, none, …) are excluded and counted. A split
may be an archive, also one that holds the folder of its own name once more (`train.zip` with
`train/{class}/`). Class folders whose names are numbers are refused, because data sets number the
same classes differently, and so are folders that speak of a split in a way that is not understood:
their faces would be trained on. `subjects.csv` may say who is on each picture.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, UNLABELLED, class_index
from fer_core.base.translations import SPOKEN
from fer_core.pixels.picture_files import is_image
from fer_core.sources.catalogue.faces import Announced
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.names import is_split_or_class, looks_like_split, split_of
from fer_core.sources.files.subjects import SUBJECTS, read_subjects
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry, Reader, left_out_file

__all__ = ["READER"]

_NUMBER = re.compile("[0-9]{1,2}")


class _Folder7(Reader):
    layout = "folder7"
    version = 3

    def recognise(self, tree: RawTree) -> bool:
        """True where the folder, or each folder in it, holds split or class folders."""
        return _form(tree, "") is not None or any(
            _form(tree, folder) is not None for folder in tree.folders()
        )

    def files(self, tree: RawTree) -> list[str]:
        return [""]

    def no_persons(self, tree: RawTree, options: CleanOptions) -> str:
        tables = [SUBJECTS, *(f"{folder}/{SUBJECTS}" for folder in tree.folders())]
        if any(map(tree.is_file, tables)):
            return ""
        return f"{SUBJECTS} beside the class folders"

    def check_counts(self, tree: RawTree, options: CleanOptions, counts: Announced) -> None:
        seven = {
            split: {name: words.get(name, 0) for name in CLASSES} for split, words in counts.items()
        }
        super().check_counts(tree, options, seven)

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[Entry]:
        """All files with what their folders say. An archive beside folders with a meaning is what
        they were unpacked from: left alone.

        Raises:
            DataError: no class folder anywhere; otherwise as `_entries_of`.
        """
        _refuse_unclear(tree, "")
        if (form := _form(tree, "")) is not None:
            yield from _entries_of(tree, "", form)
            return
        collections = [(folder, _form(tree, folder)) for folder in tree.folders()]
        if not any(form for _, form in collections):
            raise DataError(
                "No class folders here.",
                where=tree.place,
                found=", ".join(folder for folder, _ in collections[:8]) or "no folders",
                expected=f"{{train,val,test}}/{{{','.join(CLASSES)}}}/ or {{{','.join(CLASSES)}}}/",
                remedy=f"name the folders after the classes; {SPOKEN}",
            )
        for folder, form in collections:
            yield from _entries_of(tree, folder, form or "unknown")


def _form(tree: RawTree, folder: str) -> str | None:
    """ "splits" or "classes" by the names of the folders in it; None where neither is there."""
    names = tree.folders(folder)
    if any(split_of(name) is not None for name in names):
        return "splits"
    return "classes" if any(class_index(name) is not None for name in names) else None


def _refuse_unclear(tree: RawTree, base: str) -> None:
    """Refuse folders that speak of a split without saying which: `test_old`, `validation2`.

    Raises:
        DataError: names the first.
    """
    for name in tree.folders(base):
        if not is_split_or_class(name) and looks_like_split(name):
            raise DataError(
                "The name of a folder speaks of a split, and which one it means is not clear.",
                where=tree.where(f"{base}/{name}" if base else name),
                found=name,
                expected="train, val or test or a usual alias (training_set, FER2013Valid, "
                "PublicTest), or a name without such words",
                remedy="rename the folder, or move it out of the data set",
            )


def _paths(tree: RawTree, base: str) -> Iterator[str]:
    for name in tree.names(base):
        path = f"{base}/{name}" if base else name
        if tree.is_file(path):
            if name != SUBJECTS:
                yield path
        elif is_split_or_class(name) or not tree.is_archive(path):
            yield from tree.walk(path)


def _entries_of(tree: RawTree, base: str, form: str) -> Iterator[Entry]:
    """Files of one collection.

    Raises:
        DataError: the name of a class folder is a number, or it holds folders of splits, a folder's
            name speaks of a split that is not clear, a faulty table of subjects.
    """
    _refuse_unclear(tree, base)
    subjects = read_subjects(tree, base)
    depth = len(PurePosixPath(base).parts)
    for path in _paths(tree, base):
        folders = PurePosixPath(path).parts[depth:-1]
        usage = folders[0] if form == "splits" and folders else ""
        split = split_of(usage) or "none" if form == "splits" else "train"
        inner = folders[1:] if form == "splits" else folders
        if form == "splits" and inner and inner[0].lower() == usage.lower():
            inner = inner[1:]
        word = inner[0] if inner else ""
        label = class_index(word)
        reason = ""
        if not is_image(path):
            word, reason = left_out_file(path)
        elif form == "unknown" or split == "none":
            reason, word = "folder name is no split", folders[0] if folders else "(no folder)"
        elif _NUMBER.fullmatch(word):
            raise DataError(
                "The name of a class folder is a number, and which class it means is not known.",
                where=tree.where(path.rpartition("/")[0]),
                found=word,
                expected=f"names of classes: {', '.join(CLASSES)}",
                remedy="rename the folders after the classes, by the description that came with "
                "them",
            )
        elif within := [name for name in inner if split_of(name) is not None]:
            raise DataError(
                "A folder of a split lies inside another folder with a meaning.",
                where=tree.where(path.rpartition("/")[0]),
                found=within[0],
                expected="{train,val,test}/{class}/",
                remedy="put the class folders into the folders of the splits",
            )
        elif label is not None and (
            others := [name for name in inner[1:] if class_index(name) not in (None, label)]
        ):
            raise DataError(
                "A folder of one class lies inside the folder of another.",
                where=tree.where(path.rpartition("/")[0]),
                found=f"{others[0]} in {word}",
                expected="{class}/ with pictures of that class alone",
                remedy="put it beside the other class folders, or rename it if it is no class",
            )
        elif label is None:
            reason, word = "folder name is none of the seven classes", word.lower() or "(no folder)"
        else:
            word = CLASSES[label]
        yield Entry(
            key=path,
            split=split,
            usage=usage,
            label=UNLABELLED if label is None else label,
            word=word,
            reason=reason,
            path=path,
            group=f"{subjects.table}/{subjects.of(path, tree)}" if subjects and not reason else "",
        )
    if subjects is not None:
        subjects.check_all_there(tree)


READER = _Folder7()
