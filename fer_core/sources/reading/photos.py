"""What readers of photos share: faces are cut out by the boxes of a label file, and each photo is
decoded once.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from fer_core.pixels.decode import UndecodableImage
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import UNDECODABLE, Exclusion, Face
from fer_core.sources.catalogue.options import CleanOptions, CropOptions
from fer_core.sources.files.label_files import Line
from fer_core.sources.files.tree import RawTree
from fer_core.sources.images.crops import Box, cut_face
from fer_core.sources.images.photos import Photo, decode_photo
from fer_core.sources.reading.reader import Entry, Reader, excluded, refuse_missing

__all__ = ["BoxedEntry", "PhotoReader", "photo_folder"]


@dataclass(frozen=True, kw_only=True)
class BoxedEntry(Entry):
    """A face in a photo.

    Attributes:
        photo: the photo as the label file names it.
        box: of the face; None where an entry without a box is left out.
        face_id: number of the face in its photo.
        confidence: of the source's face detector.
    """

    photo: str
    box: Box | None = None
    face_id: int | None = None
    confidence: float | None = None

    def box_in(self, height: int, width: int) -> Box:
        """The box in pixels of a photo of this size."""
        assert self.box is not None, self.key
        return self.box


class PhotoReader(Reader):
    """Reads one layout of photos with boxes.

    Attributes:
        name: of the data set, for reasons.
        keeps_whole: a box that is the whole photo gives the photo's own bytes.
    """

    name: ClassVar[str]
    keeps_whole: ClassVar[bool] = True
    chunk: ClassVar[int] = 4

    @abstractmethod
    def cropping(self, options: CleanOptions) -> tuple[float, CropOptions]:
        """How far a box is padded, as a share of its size, and how a face is encoded."""

    def decode(self, data: bytes, where: object, max_pixels: int) -> Photo:
        """The photo in the pixels that boxes count.

        Raises:
            UndecodableImage: it cannot be decoded.
        """
        return decode_photo(data, where, max_pixels)

    def scan(self, tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
        """One face or exclusion an entry, photo by photo in the order of the label files; only
        photos of faces of the seven classes are opened.
        """
        photos: dict[str, list[BoxedEntry]] = {}
        for entry in self.located(tree, self.entries(tree, options)):
            photos.setdefault(entry.path, []).append(entry)
        items = ordered_map(
            lambda entries: self._faces(tree, entries, source, options),
            photos.values(),
            chunk=self.chunk,
        )
        return (item for of_photo in items for item in of_photo)

    def _faces(
        self, tree: RawTree, entries: list[BoxedEntry], source: str, options: CleanOptions
    ) -> list[Face | Exclusion]:
        path, name = entries[0].path, entries[0].photo
        data, photo, failure = b"", None, ""
        if not all(entry.reason for entry in entries):
            data = tree.read(path)
            try:
                photo = self.decode(data, tree.where(path), options.max_pixels)
            except UndecodableImage as error:
                failure = f"{name}: {error.problem} {error.found}"
        items: list[Face | Exclusion] = []
        for entry in entries:
            leave_out = partial(excluded, source, entry, show=partial(tree.read, path))
            if entry.reason:
                items.append(leave_out(entry.reason, entry.detail or entry.key))
                continue
            if photo is None:
                items.append(leave_out(UNDECODABLE, failure))
                continue
            box = entry.box_in(*photo.pixels.shape[:2])
            whole = data if self.keeps_whole else None
            cut = cut_face(whole, photo, box, *self.cropping(options), tree.where(path))
            if cut is None:
                items.append(leave_out(f"{self.name}: box without area inside the photo", box))
                continue
            items.append(
                Face(
                    f"{source}/{entry.key}",
                    cut.image,
                    entry.label,
                    entry.split,
                    entry.usage,
                    f"{source}/{entry.group or entry.key}",
                    confidence=entry.confidence,
                    orig_image=name,
                    face_id=entry.face_id,
                    box=box,
                    note=cut.note or entry.note,
                )
            )
        return items


def photo_folder(
    tree: RawTree, folders: Sequence[str], needed: Iterable[BoxedEntry], remedy: str
) -> str:
    """The one of `folders` that holds the first photo that is needed.

    Raises:
        DataError: photos are missing there; names the first and says how many.
    """
    lines: dict[str, Line] = {}
    for entry in needed:
        if entry.line is not None:
            lines.setdefault(entry.photo, entry.line)
    first = next(iter(lines), "")
    folder = next((name for name in folders if tree.is_file(f"{name}/{first}")), folders[0])
    missing = {name: line for name, line in lines.items() if not tree.is_file(f"{folder}/{name}")}
    expected = f"it in {tree.where(folder)} (looked in {', '.join(folders)})"
    refuse_missing(missing, len(lines), "photos", expected, remedy)
    return folder
