"""The faces on which networks are compared, and their labels: FER2013 and FERPlus, the same faces
corrupted, and a second domain of pictures with a table of labels.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from bench.peers import cuts
from fer_core.base.errors import DataError
from fer_core.base.files import sha256_file
from fer_core.base.labels import UNLABELLED
from fer_core.base.logs import progress_off
from fer_core.evaluation.robustness import corruptions
from fer_core.evaluation.robustness.corruptions import CORRUPTIONS, corrupt
from fer_core.evaluation.robustness.robustness import choose_rows
from fer_core.pixels.decode import decode_rgb
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.families.fer2013 import TableEntry, encode, read_rows
from fer_core.sources.files.subjects import person_in
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.csv_labels import READER as csv_labels
from fer_core.sources.layouts.fer2013 import READER as fer2013
from fer_core.sources.layouts.ferplus import READER as ferplus

__all__ = [
    "CELLS",
    "PERSON",
    "STRENGTHS",
    "Faces",
    "Pictures",
    "by_pixels",
    "corrupted",
    "domain",
    "of_faces",
    "read_faces",
]

STRENGTHS = (1, 3, 5)
CELLS = [(name, strength) for name in CORRUPTIONS for strength in STRENGTHS]
_OPTIONS = CleanOptions(allow_undecodable=0, max_pixels=50_000_000)
PERSON = r"([^/]+)_\d+\.\w+$"

log = logging.getLogger("bench.peers")


@dataclass(frozen=True)
class Faces:
    """Rows of one usage of FER2013.

    Attributes:
        images: RGB uint8 [48, 48, 3] each.
        labels: int [N].
        seen: bool [N], the same pixels are in a Training row.
        majority: int [N], the labels of FERPlus, -1 where it gives none of the seven classes; None
            where its table is not there.
    """

    images: list[np.ndarray]
    labels: np.ndarray
    seen: np.ndarray
    majority: np.ndarray | None = None


@dataclass(frozen=True)
class Pictures:
    """What networks are asked about.

    Attributes:
        made_from: what its pixels follow from; tells kept answers apart.
        images: of a way to cut faces out; RGB uint8, None where no face is found.
        labels: int [N].
        clusters: int [N], equal numbers for equal pixels, or pictures of one person.
    """

    made_from: str
    images: Callable[[cuts.Cut], Iterable[np.ndarray | None]]
    labels: np.ndarray
    clusters: np.ndarray


def read_faces(place: Path, usage: str) -> Faces:
    """The rows of a usage, and which of them have their pixels in a Training row too.

    Raises:
        DataError: as `fer2013` and `ferplus` do where a table is not what it should be, or no row
            of this usage.
    """
    tree = open_tree(place if place.is_dir() else place.parent)
    table = fer2013.files(tree)[0]
    rows: dict[int, TableEntry] = {}
    hashes, training = [], set()
    voted = ferplus.recognise(tree)
    if not voted:
        log.warning("left out, for fer2013new.csv is not beside %s: FERPlus", tree.where(table))
    majority = [row.label for row in ferplus.entries(tree, _OPTIONS)] if voted else []
    bar = tqdm(read_rows(tree, table), "table", unit="row", leave=False, disable=progress_off())
    for number, row in enumerate(bar):
        if row.usage in ("Training", usage):
            pixels = hashlib.sha256(
                row.pixels.encode()
            ).digest()  # the table writes equal pixels in equal words
            if row.usage == usage:
                rows[number] = row
                hashes.append(pixels)
            else:
                training.add(pixels)
    if not rows:
        raise DataError(f"The table has no rows of {usage}.", where=tree.where(table))
    return Faces(
        [decode_rgb(encode(row), row.key) for row in rows.values()],
        np.array([row.label for row in rows.values()]),
        np.array([pixels in training for pixels in hashes]),
        np.array([majority[number] for number in rows]) if voted else None,
    )


def of_faces(faces: Faces, detector: Path) -> Pictures:
    """The faces, aligned for a network whose pipeline aligns."""
    pixels = hashlib.sha256(b"".join(image.tobytes() for image in faces.images)).hexdigest()
    made_from = f"{pixels} {sha256_file(Path(cuts.__file__))}"

    def images(cut: cuts.Cut) -> Iterable[np.ndarray]:
        return map(cuts.prepared_crop(cut, detector), faces.images)

    return Pictures(made_from, images, faces.labels, by_pixels(faces.images))


def by_pixels(images: Sequence[np.ndarray]) -> np.ndarray:
    """Equal numbers for equal pixels, int [N]."""
    hashes = [hashlib.sha256(image.tobytes()).digest() for image in images]
    return np.asarray(pd.factorize(np.array(hashes, dtype=object))[0])


def corrupted(faces: Faces, rows: int, seed: int, detector: Path) -> tuple[Pictures, np.ndarray]:
    """So many of the faces, drawn by class, at every corruption and strength of `CELLS` one after
    the other, as `of_faces` gives them; and their numbers.
    """
    ids = [f"{number:07d}" for number in range(len(faces.labels))]
    chosen = choose_rows(ids, faces.labels, rows, seed)

    @cache
    def made() -> Sequence[np.ndarray]:
        return [
            corrupt(faces.images[row], name, strength, seed, ids[row])
            for name, strength in tqdm(CELLS, "corrupt", leave=False, disable=progress_off())
            for row in chosen
        ]

    def images(cut: cuts.Cut) -> Iterable[np.ndarray]:
        return map(cuts.prepared_crop(cut, detector), made())

    code, plain = sha256_file(Path(corruptions.__file__)), of_faces(faces, detector)
    source = f"{plain.made_from} {CELLS} {rows} {seed} {code}"
    return Pictures(source, images, faces.labels[chosen], plain.clusters[chosen]), chosen


def domain(place: Path, detector: Path) -> dict[str, Pictures]:
    """The second domain as it is, and with faces cut out of its pictures; persons by the names of
    files before their number.

    Raises:
        DataError: as `csv_labels` does, or a table without faces of the seven classes.
    """
    tree = open_tree(place)
    parts = csv_labels.files(tree)
    entries = csv_labels.located(tree, csv_labels.entries(tree, _OPTIONS), _OPTIONS)
    entries = [entry for entry in entries if entry.label != UNLABELLED]
    if not entries:
        raise DataError("The table has no face of the seven classes.", where=tree.where(parts[0]))
    fingerprint = tree.fingerprint(parts)
    source = f"{fingerprint.sha256} {fingerprint.labels}"
    labels = np.array([entry.label for entry in entries])
    persons = pd.factorize(
        np.array([person_in(entry.path, PERSON) or entry.path for entry in entries], dtype=object)
    )[0]

    def whole(_: cuts.Cut) -> Iterable[np.ndarray]:
        return (decode_rgb(tree.read(entry.path), tree.where(entry.path)) for entry in entries)

    def cut_out(cut: cuts.Cut) -> Iterable[np.ndarray | None]:
        return map(cuts.cut_of(cut, detector), whole(cut))

    code = sha256_file(Path(cuts.__file__))
    return {
        "domain": Pictures(source, whole, labels, persons),
        "end_to_end": Pictures(f"{source} {code}", cut_out, labels, persons),
    }
