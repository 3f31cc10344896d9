"""Pictures without labels: every image in a folder and the folders below it.

They have label -1 and no split, so they go into no set; what reads face stores itself can use them.
A folder where anything looks like labels is left to the layout that knows them. `subjects.csv` may
say which pictures belong together: persons, or videos.
"""

import re
from collections.abc import Iterator

from fer_core.base.errors import DataError
from fer_core.base.labels import class_index
from fer_core.base.translations import SPOKEN
from fer_core.pixels.picture_files import IMAGE_SUFFIXES, is_image, suffix_of
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.subjects import SUBJECTS, read_subjects
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry, Reader, left_out_file

__all__ = ["READER"]

_TABLES = (
    *(".csv", ".tsv", ".lst", ".json", ".jsonl", ".xml", ".yaml", ".yml"),
    *(".npz", ".mat", ".parquet", ".gz"),
)
_LABELS = re.compile(r"(?<!un)label|annotation|_(exp|val|aro|lnd)\.npy")
_ABOUT_FILES = re.compile(r"(meta|meta_?data|info|readme|license|dataset_infos?)\.[a-z]+")


class _Unlabelled(Reader):
    layout = "unlabelled"
    version = 3

    def recognise(self, tree: RawTree) -> bool:
        """True where there are images, no folder named after a class, and no file or
        folder that may hold labels.
        """
        images = False
        for path in tree.walk():
            if path == SUBJECTS:
                continue
            *folders, name = path.lower().split("/")
            if is_image(name):
                images = True
            elif _LABELS.search(name) or (
                suffix_of(name) in _TABLES and not _ABOUT_FILES.fullmatch(name)
            ):
                return False
            if any(_LABELS.search(folder) or class_index(folder) is not None for folder in folders):
                return False
        return images

    def files(self, tree: RawTree) -> list[str]:
        return [""]

    def remarks(self, tree: RawTree, options: CleanOptions) -> list[str]:
        folders = tree.folders()
        if len(folders) < 2:
            return []
        return [
            f"if the folders {', '.join(folders[:3])} are named after expressions, give them the "
            f"names of the classes: {SPOKEN}"
        ]

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[Entry]:
        """Every picture, with its group where there is a table of subjects.

        Raises:
            DataError: no picture, or a faulty table of subjects.
        """
        images = others = 0
        subjects = read_subjects(tree, "")
        for path in tree.walk():
            if is_image(path):
                images += 1
                group = f"{subjects.table}/{subjects.of(path, tree)}" if subjects else ""
                yield Entry(key=path, split="none", path=path, word="unlabelled", group=group)
            elif path != SUBJECTS:
                others += 1
                word, reason = left_out_file(path)
                yield Entry(key=path, split="none", path=path, word=word, reason=reason)
        if not images:
            raise DataError(
                "No images here.",
                where=tree.place,
                found=f"{others} other files",
                expected=", ".join(sorted(IMAGE_SUFFIXES)),
                remedy="give the folder that holds the images",
            )
        if subjects is not None:
            subjects.check_all_there(tree)


READER = _Unlabelled()
