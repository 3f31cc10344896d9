"""The first directory of a TIFF structure, which TIFF images and EXIF records share (TIFF 6.0,
section 2).
"""

import struct

__all__ = ["ORIENTATION", "tiff_size", "tiff_tags"]

ORIENTATION = 0x0112
_WIDTH, _HEIGHT = 256, 257
_PIECES = ((273, 279), (324, 325))  # offsets and byte counts of strips, or of tiles
_TYPES = {1: "B", 3: "H", 4: "I"}
_MOST_TAGS, _MOST_VALUES = 1000, 1 << 17


def tiff_tags(data: bytes) -> dict[int, tuple[int, ...]]:
    """Tags of whole numbers in the first directory: number -> values.

    Raises:
        ValueError: not the beginning of a TIFF structure, or absurdly many tags or values.
        struct.error: it ends too early.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None:
        raise ValueError("no TIFF header")
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, place)
    if count > _MOST_TAGS:
        raise ValueError(f"{count} tags in its directory")
    found: dict[int, tuple[int, ...]] = {}
    for start in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, start)
        if kind not in _TYPES:
            continue
        if values > _MOST_VALUES:
            raise ValueError(f"{values} values of one tag")
        form = f"{order}{values}{_TYPES[kind]}"
        inside = (
            start + 8
            if struct.calcsize(form) <= 4
            else struct.unpack_from(f"{order}I", data, start + 8)[0]
        )
        found[tag] = struct.unpack_from(form, data, inside)
    return found


def tiff_size(data: bytes) -> tuple[int, int]:
    """Width and height of the first image; all its strips or tiles must be there.

    Raises:
        ValueError: no size or pixels, or the file ends before its image does; otherwise as
            `tiff_tags`.
    """
    tags = tiff_tags(data)
    if not (tags.get(_WIDTH) and tags.get(_HEIGHT)):
        raise ValueError("the header gives no size")
    pieces = [
        (tags[places], tags[sizes]) for places, sizes in _PIECES if places in tags and sizes in tags
    ]
    if not pieces:
        raise ValueError("the header says nothing of pixels")
    for places, sizes in pieces:
        if any(place + size > len(data) for place, size in zip(places, sizes, strict=True)):
            raise ValueError("the file ends before its image does")
    return tags[_WIDTH][0], tags[_HEIGHT][0]
