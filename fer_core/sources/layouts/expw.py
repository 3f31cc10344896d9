"""ExpW (Expression in-the-Wild): `label.lst` with eight columns, whole photos; each face is cut out
and encoded again.

Zhang et al., "From facial expression recognition to interpersonal relation prediction", 2018.
Columns: image_name face_id_in_image face_box_top face_box_left face_box_right face_box_bottom
face_box_cofidence(sic) expression_label; note the order top, left, RIGHT, BOTTOM. Expression ids
are the canonical class order. The data set has no splits: all faces are "train" here, and the
manifest carves val and calib by whole photos.
"""

from collections.abc import Iterable, Iterator

from fer_core.base.labels import N_CLASSES
from fer_core.sources.catalogue.options import CleanOptions, CropOptions
from fer_core.sources.files.label_files import Line, Listed, find_file, read_lines
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.photos import BoxedEntry, PhotoReader, find_photos
from fer_core.sources.reading.reader import settle_missing

__all__ = ["READER"]

_LISTS = ["label.lst", "label/label.lst"]
_FOLDERS = ("image/origin", "origin", "origin/origin", "image/origin/origin", "image", "images")
_LARGEST = 1_000_000  # of any number: more is a slip
_COLUMNS = "image_name face_id top left right bottom confidence expression"
_IDS = {str(index): index for index in range(N_CLASSES)}


class _Expw(PhotoReader):
    layout = "expw"
    version = 2
    name = "ExpW"
    keeps_whole = False

    def recognise(self, tree: RawTree) -> bool:
        return any(tree.is_file(name) for name in _LISTS)

    def files(self, tree: RawTree) -> list[str]:
        labels = find_file(tree, _LISTS, "ExpW label list")
        return [labels, *[name for name in tree.folders() if not labels.startswith(f"{name}/")]]

    def cropping(self, options: CleanOptions) -> tuple[float, CropOptions]:
        return options.expw.pad_ratio, options.crops

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[BoxedEntry]:
        listed = Listed("A face")
        for line in read_lines(tree, self.files(tree)[0]):
            entry = _entry(line, options.expw.min_confidence)
            listed.add(entry.key, line)
            yield entry

    def located(
        self, tree: RawTree, entries: Iterable[BoxedEntry], options: CleanOptions
    ) -> list[BoxedEntry]:
        return settle_missing(
            tree,
            find_photos(tree, _FOLDERS, self.files(tree)[1:], entries),
            options,
            what="photos",
            expected=f"it in a folder in {tree.place}, such as {', '.join(_FOLDERS)}",
            remedy="unpack all volumes of the image archive; the first is misnamed "
            "origin.7z.001.001 and must be called origin.7z.001",
        )


def _entry(line: Line, least: float) -> BoxedEntry:
    """The face of a line.

    Args:
        least: confidence.

    Raises:
        DataError: wrong number of columns, not a number, unknown id, or a path that leaves the data
            set.
    """
    columns = line.words(8, _COLUMNS)
    photo = line.path(columns[0])
    try:
        face_id, top, left, right, bottom = numbers = [int(text) for text in columns[1:6]]
        confidence = float(columns[6])
    except ValueError as error:
        raise line.error("A column is not a number.", _COLUMNS) from error
    if face_id < 0 or not all(abs(number) <= _LARGEST for number in (*numbers, confidence)):
        expected = f"a face id of 0 or more, and numbers of at most {_LARGEST}"
        raise line.error("A number is out of range.", expected)
    sure = confidence >= least
    return BoxedEntry(
        key=f"{photo}#{face_id}",
        split="train",
        label=line.look_up(columns[7], _IDS, "expression id", "0 to 6"),
        reason="" if sure else "ExpW: confidence below the minimum",
        detail=str(confidence),
        group=photo,
        line=line,
        photo=photo,
        box=(top, left, bottom, right),
        face_id=face_id,
        confidence=confidence,
    )


READER = _Expw()
