"""What readers of photos share: faces are cut out by the boxes of a label file, and each photo is
decoded once.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from fer_core.base.errors import DataError
from fer_core.pixels.damage import check_whole
from fer_core.pixels.decode import UndecodableImage, decoded_bytes
from fer_core.pixels.parallel import DECODING, ordered_map
from fer_core.sources.catalogue.faces import UNDECODABLE, Exclusion, Face
from fer_core.sources.catalogue.options import CleanOptions, CropOptions
from fer_core.sources.files.tree import RawTree
from fer_core.sources.images.crops import Box, cut_face
from fer_core.sources.images.photos import Photo, decode_photo
from fer_core.sources.reading.reader import Entry, Reader, excluded

__all__ = ["BoxedEntry", "PhotoReader", "find_photos"]


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

    @property
    def pictured(self) -> str:
        """The photo."""
        return self.photo

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
        for entry in self.located(tree, self.entries(tree, options), options):
            photos.setdefault(entry.path, []).append(entry)
        items = ordered_map(
            lambda entries: self._faces(tree, entries, source, options),
            photos.values(),
            chunk=self.chunk,
            cost=lambda entries: max(self.cost(tree, entry) for entry in entries),
        )
        return (item for of_photo in items for item in of_photo)

    def _faces(
        self, tree: RawTree, entries: list[BoxedEntry], source: str, options: CleanOptions
    ) -> list[Face | Exclusion]:
        data = b"" if all(entry.reason for entry in entries) else tree.read(entries[0].path)
        with DECODING.hold(decoded_bytes(data)):
            return self._cut(tree, entries, data, source, options)

    def _cut(
        self,
        tree: RawTree,
        entries: list[BoxedEntry],
        data: bytes,
        source: str,
        options: CleanOptions,
    ) -> list[Face | Exclusion]:
        path, name = entries[0].path, entries[0].photo
        photo, failure = None, ""
        if not all(entry.reason for entry in entries):
            try:
                photo = self.decode(data, tree.where(path), options.max_pixels)
                check_whole(data, tree.where(path))
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


def find_photos(
    tree: RawTree, folders: Sequence[str], parts: Iterable[str], entries: Iterable[BoxedEntry]
) -> list[BoxedEntry]:
    """The entries with the paths of their photos, "" for those that are nowhere.

    Args:
        tree: the data set.
        folders: where photos usually lie, the most usual first.
        parts: where else a photo is looked for by its name.
        entries: of the label files.

    Raises:
        DataError: a photo lies in several of the other places.
    """
    entries, paths = list(entries), dict[str, str]()
    known = [folder for folder in folders if tree.is_dir(folder)]
    elsewhere: dict[str, list[str]] | None = None
    for photo in dict.fromkeys(entry.photo for entry in entries):
        usual = (f"{folder}/{photo}" for folder in known)
        paths[photo] = next((path for path in usual if tree.is_file(path)), "")
        if paths[photo]:
            continue
        if elsewhere is None:
            elsewhere = {}
            for path in dict.fromkeys(path for part in parts for path in tree.walk(part)):
                elsewhere.setdefault(path.rpartition("/")[2], []).append(path)
        same = elsewhere.get(photo.rpartition("/")[2], [])
        same = [path for path in same if f"/{path}".endswith(f"/{photo}")]
        if len(same) > 1:
            raise DataError(
                "A listed photo lies in several folders.",
                where=tree.place,
                found=", ".join(same[:4]),
                expected="each once",
                remedy="remove the copies that do not belong to the list",
            )
        paths[photo] = same[0] if same else ""
    return [replace(entry, path=paths[entry.photo]) for entry in entries]
