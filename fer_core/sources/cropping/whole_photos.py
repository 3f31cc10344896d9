"""Whether the pictures of a data set are whole photos, in which a face is a small part."""

import random
import shlex
from collections.abc import Sequence

from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import sha256_bytes
from fer_core.predict.detection import YuNet
from fer_core.predict.fetching import detector_file
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.tree import RawTree
from fer_core.sources.images.photos import decode_photo, upright
from fer_core.sources.reading.reader import Entry, Reader

__all__ = ["whole_photos"]

_UNCUT = frozenset({"folder7", "csv_labels", "unlabelled"})
"""Layouts whose pictures may be whole photos; the others are published as faces, or with boxes."""

_LOOKED_AT, _SEED, _LOOK = 24, 1337, 640
_SMALL, _MANY = 0.4, 1 / 3
"""A face whose longer side is a smaller share of the picture's shorter one is in a photo; a set of
which a third or more are such pictures is one of photos.
"""


def whole_photos(name: str, tree: RawTree, reader: Reader, options: CleanOptions) -> list[str]:
    """What a user should know, as sentences without a full stop: that the pictures are photos and
    what to do, or that nobody could look.
    """
    if reader.layout not in _UNCUT:
        return []
    listed = reader.located(tree, reader.entries(tree, options), options)
    entries = [entry for entry in listed if not entry.reason and entry.path]
    entries = random.Random(_SEED).sample(entries, min(_LOOKED_AT, len(entries)))
    try:
        detector = YuNet(detector_file())
    except ArtifactError as error:
        return [
            "nobody looked whether these are faces or whole photos, because the face detector "
            f"cannot be used: {error.problem} `fer fetch-detector` fetches it"
        ]
    same = _same(tree, reader, entries)
    small, seen = _small_faces(tree, reader, entries, detector, options.max_pixels)
    if not seen or len(small) < _MANY * seen:
        return same
    out = shlex.quote(str(tree.place.with_name(f"{tree.place.stem}_faces")))
    table = "" if reader.layout != "csv_labels" else "; their table has to name the cut faces"
    return [
        *same,
        f"these look like whole photos: of {seen} pictures that were looked at, {len(small)} show "
        f"a small face or several, such as {small[0]}. A network learns from faces that are cut "
        f"out: `fer data crop {shlex.quote(str(tree.place))} {out}` cuts them, then `fer data add "
        f"{name} {out}`{table}",
    ]


def _same(tree: RawTree, reader: Reader, entries: Sequence[Entry]) -> list[str]:
    """That all pictures are one."""
    if len(entries) < 2 or len({sha256_bytes(reader.picture(tree, one)) for one in entries}) > 1:
        return []
    return [
        f"all {len(entries)} pictures that were looked at are the same one: copies are left out, "
        "and all of them where their labels differ (manifest.twins); add different pictures"
    ]


def _small_faces(
    tree: RawTree, reader: Reader, entries: Sequence[Entry], detector: YuNet, max_pixels: int
) -> tuple[list[str], int]:
    """Pictures with a small face or several, and how many pictures were read."""
    small, seen = [], 0
    for entry in entries:
        try:
            stored = decode_photo(reader.picture(tree, entry), entry.path, max_pixels)
        except DataError:
            continue  # `clean` says so of every one
        picture, seen = upright(*stored), seen + 1
        boxes = detector.detect(picture, longest_side=_LOOK)
        if len(boxes) > 1 or any(
            max(box.width, box.height) < _SMALL * min(picture.shape[:2]) for box in boxes
        ):
            small.append(entry.path)
    return small, seen
