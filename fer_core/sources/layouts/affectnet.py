"""AffectNet, first release: two lists of the photos that were annotated by hand; each face is cut
out and encoded again.

Mollahosseini, Hasani and Mahoor, "AffectNet: a database for facial expression, valence, and arousal
computing in the wild", 2017. Columns: subDirectory_filePath face_x face_y face_width face_height
facial_landmarks (x;y;…) expression valence arousal; the header line is missing in validation.csv of
some copies. One labelled face of the official training.csv has NULL for a box.

The labels of the official test set are not public. What papers report is the validation set, 500
faces of each class: its split is "test" here, that of the training set "train". Subjects are not
known: each photo is a group of its own.
"""

from collections.abc import Iterable, Iterator

from fer_core.sources.catalogue.faces import Announced
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import CleanOptions, CropOptions
from fer_core.sources.families.affectnet import EXPRESSIONS
from fer_core.sources.files.label_files import Line, Listed, find_file, read_table
from fer_core.sources.files.tree import RawTree
from fer_core.sources.images.crops import Box
from fer_core.sources.reading.photos import BoxedEntry, PhotoReader, find_photos
from fer_core.sources.reading.reader import settle_missing

__all__ = ["READER"]

_SPLITS = {"training": "train", "validation": "test"}  # of each list; see above
_LISTS = "Manually_Annotated_file_lists"
_IMAGES = "Manually_Annotated_Images"
# folders around these, as the archives and their unpacked copies have them
_TOPS = (
    "",
    "Manually_Annotated/",
    "Manually_Annotated/Manually_Annotated/",
    "Manually_Annotated_compressed/",
)
_LIST_FOLDERS = [
    f"{top}{folder}" for folder in (f"{_LISTS}/", f"{_LISTS}/{_LISTS}/", "") for top in _TOPS[:3]
]
_IMAGE_FOLDERS = [f"{top}{folder}" for top in _TOPS for folder in (_IMAGES, f"{_IMAGES}/{_IMAGES}")]
_BOX = ["face_x", "face_y", "face_width", "face_height"]
_HEADER = ["subDirectory_filePath", *_BOX, "facial_landmarks", "expression", "valence", "arousal"]
_NO_BOX = "NULL"
_LARGEST = 1_000_000  # of any number of a box: more is a slip


class _Affectnet(PhotoReader):
    layout = "affectnet"
    version = 2
    name = "AffectNet"

    def recognise(self, tree: RawTree) -> bool:
        """True where the list of the training photos lies in its folder, or beside the photos."""
        folder = next(
            (folder for folder in _LIST_FOLDERS if tree.is_file(f"{folder}training.csv")), None
        )
        return folder is not None and (
            _LISTS in folder or any(tree.is_dir(images) for images in _IMAGE_FOLDERS)
        )

    def files(self, tree: RawTree) -> list[str]:
        return [*_lists(tree).values(), *[name for name in _IMAGE_FOLDERS if tree.is_dir(name)]]

    def cropping(self, options: CleanOptions) -> tuple[float, CropOptions]:
        return options.affectnet.pad_ratio, options.crops

    def check_counts(self, tree: RawTree, options: CleanOptions, counts: Announced) -> None:
        lists = " and ".join(str(tree.where(name)) for name in _lists(tree).values())
        check_official_counts(self.layout, counts, lists)

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[BoxedEntry]:
        listed = Listed("A photo")
        for usage, name in _lists(tree).items():
            for line, columns in read_table(tree, name, _HEADER, optional=True):
                entry = _entry(line, columns, usage)
                listed.add(entry.photo, line)
                yield entry

    def located(
        self, tree: RawTree, entries: Iterable[BoxedEntry], options: CleanOptions
    ) -> list[BoxedEntry]:
        folders = self.files(tree)[len(_SPLITS) :]
        entries = find_photos(tree, _IMAGE_FOLDERS, folders, entries)
        needed = (entry for entry in entries if not entry.reason)
        found = settle_missing(
            tree,
            needed,
            options,
            what="photos",
            expected=f"it in {tree.where((folders or _IMAGE_FOLDERS)[0])}",
            remedy="unpack all volumes of the image archive, Manually_Annotated.part*.rar",
        )
        settled = {entry.key: entry for entry in found}
        return [settled.get(entry.key, entry) for entry in entries]


def _lists(tree: RawTree) -> dict[str, str]:
    """Both lists by usage.

    Raises:
        DataError: one is missing.
    """
    return {
        usage: find_file(
            tree, [f"{folder}{usage}.csv" for folder in _LIST_FOLDERS], f"AffectNet {usage} list"
        )
        for usage in _SPLITS
    }


def _entry(line: Line, columns: list[str], usage: str) -> BoxedEntry:
    """The face of a line.

    Raises:
        DataError: an unknown id, a box that is none, or a path that leaves the data set.
    """
    photo = line.path(columns[0])
    meaning = line.look_up(columns[6], EXPRESSIONS, "expression id", "0 to 10")
    # the box of what is no face of the seven classes is of no use, and may be anything
    box = None if meaning.reason else _box(columns[1:5], line)
    if box is None and not meaning.reason:
        meaning = meaning._replace(reason="AffectNet: no face box")
    return BoxedEntry(
        key=photo,
        split=_SPLITS[usage],
        usage=usage,
        line=line,
        photo=photo,
        box=box,
        **meaning._asdict(),
    )


def _box(columns: list[str], line: Line) -> Box | None:
    """Top, left, bottom and right of face_x, face_y, face_width and face_height; None for NULL.

    Raises:
        DataError: not whole numbers, or out of range.
    """
    if _NO_BOX in columns:
        return None
    try:
        x, y, width, height = numbers = [int(text) for text in columns]
    except ValueError as error:
        expected = f"whole numbers, or {_NO_BOX}, for {', '.join(_BOX)}"
        raise line.error("A number of the face box is none.", expected) from error
    if not all(abs(number) <= _LARGEST for number in numbers):
        raise line.error("A number of the face box is out of range.", f"at most {_LARGEST}")
    return y, x, y + height, x + width


READER = _Affectnet()
