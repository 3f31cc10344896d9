"""Photos as they are stored, and how they are to be held: boxes of label files count stored pixels,
whatever EXIF says.

The tools that made these lists read photos without looking at EXIF. A face is therefore cut out of
the stored pixels and turned afterwards. Orientations: EXIF 2.32, tag 0x0112, 1 to 8.
"""

import struct
from typing import NamedTuple

import numpy as np

from fer_core.pixels.decode import MAX_PIXELS, decode_rgb
from fer_core.pixels.opencv import cv2
from fer_core.sources.images.rare_formats import as_usual_format
from fer_core.sources.images.tiff import ORIENTATION, tiff_tags

__all__ = ["Stored", "decode_stored", "upright"]

_UPRIGHT = 1
_MARKS = (b"Exif\0\0", b"eXIf", b"EXIF")  # before the record, in JPEG, PNG and WebP


class Stored(NamedTuple):
    """A photo's pixels as they are stored, uint8 [height, width, 3] RGB, and the EXIF orientation
    that they are to be shown in.
    """

    pixels: np.ndarray
    orientation: int


def decode_stored(data: bytes, where: object, max_pixels: int = MAX_PIXELS) -> Stored:
    """As `decode_rgb`, but nothing is turned; TIFF and GIF too.

    Raises:
        UndecodableImage: as `decode_rgb` and `as_usual_format`.
    """
    data = as_usual_format(data, where, max_pixels)
    shown = decode_rgb(data, where, max_pixels)  # makes all checks
    if not any(mark in data for mark in _MARKS):
        return Stored(shown, _UPRIGHT)
    buffer = np.frombuffer(data, dtype=np.uint8)
    image, kinds, records = cv2.imdecodeWithMetadata(
        buffer, flags=cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )
    exif = [
        bytes(record)
        for kind, record in zip(kinds, records, strict=True)
        if kind == cv2.IMAGE_METADATA_EXIF
    ]
    return (
        Stored(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), _orientation(exif[0]))
        if exif
        else Stored(shown, _UPRIGHT)
    )


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """A picture [height, width, 3] of this orientation as it is to be shown."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _orientation(exif: bytes) -> int:
    """What an EXIF record says; upright where it says nothing that can be read, as decoders do."""
    try:
        values = tiff_tags(exif).get(ORIENTATION, ())
    except (ValueError, struct.error):
        return _UPRIGHT
    return values[0] if values and 1 <= values[0] <= 8 else _UPRIGHT
