"""Photos of untrusted files, also of formats that later stages do not know: TIFF and GIF become PNG
when they are read.

Pillow reads headers and EXIF records only. All pixels are OpenCV's, and a bomb or a cut file never
reaches the decoder. Boxes of label files count stored pixels, whatever EXIF says: the tools that
made these lists read photos without looking at EXIF. A face is therefore cut out of the stored
pixels and turned afterwards. Orientations: EXIF 2.32, tag 0x0112, 1 to 8.
"""

import io
import struct
import warnings
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image
from PIL.GifImagePlugin import GifImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from fer_core.pixels.decode import (
    MAX_PIXELS,
    check_pixels,
    damaged,
    decode_rgb,
    decode_whole,
)
from fer_core.pixels.opencv import cv2

__all__ = ["Photo", "as_usual_format", "decode_photo", "upright"]

# what Pillow has to say of a file is said by our errors, and limits are ours alone
warnings.filterwarnings("ignore", module=r"PIL\.")

_TIFF = (b"II*\0", b"MM\0*")
_PIECES = ((273, 279), (324, 325))  # offsets and byte counts of strips, or of tiles
_UPRIGHT = 1
_MARKS = (b"Exif\0\0", b"eXIf", b"EXIF")  # before the record, in JPEG, PNG and WebP
_FAULTS = (
    ValueError,
    TypeError,
    LookupError,
    SyntaxError,
    EOFError,
    OSError,
    OverflowError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises on damaged headers."""


class Photo(NamedTuple):
    """A photo's pixels as they are stored, uint8 [height, width, 3] RGB, and the EXIF orientation
    that they are to be shown in.
    """

    pixels: np.ndarray
    orientation: int


def decode_photo(data: bytes, where: object, max_pixels: int = MAX_PIXELS) -> Photo:
    """As `decode_rgb`, but nothing is turned; TIFF and GIF too.

    Raises:
        UndecodableImage: as `decode_rgb` and `as_usual_format`.
    """
    data = as_usual_format(data, where, max_pixels)
    shown = decode_rgb(data, where, max_pixels)  # makes all checks
    if not any(mark in data for mark in _MARKS):
        return Photo(shown, _UPRIGHT)
    buffer = np.frombuffer(data, dtype=np.uint8)
    image, kinds, records = cv2.imdecodeWithMetadata(
        buffer, flags=cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )
    for kind, record in zip(kinds, records, strict=True):
        if kind == cv2.IMAGE_METADATA_EXIF:
            pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            return Photo(pixels, _orientation(bytes(record)))
    return Photo(shown, _UPRIGHT)


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """A picture [height, width, 3] of this orientation as it is to be shown."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def as_usual_format(data: bytes, where: object, max_pixels: int = MAX_PIXELS) -> bytes:
    """PNG with the first picture of a TIFF or GIF file; other bytes as they are.

    Args:
        data: any bytes.
        where: names the image in errors.
        max_pixels: limit on width x height.

    Raises:
        UndecodableImage: a TIFF or GIF file that is cut short, damaged or over the limit.
    """
    is_tiff = data[:4] in _TIFF
    if not is_tiff and data[:6] not in (b"GIF87a", b"GIF89a"):
        return data
    try:
        width, height = _tiff_size(data) if is_tiff else _gif_size(data)
    except _FAULTS as error:
        raise damaged(where, f"its header: {error}") from error
    check_pixels(width, height, where, max_pixels)
    return cv2.imencode(".png", decode_whole(data, width, height, where))[1].tobytes()


def _orientation(exif: bytes) -> int:
    """What an EXIF record says; upright where it says nothing that can be read, as decoders do."""
    record = Image.Exif()
    try:
        record.load(exif)
        value = record.get(ExifTags.Base.Orientation)
    except _FAULTS:
        return _UPRIGHT
    return value if isinstance(value, int) and 1 <= value <= 8 else _UPRIGHT


def _tiff_size(data: bytes) -> tuple[int, int]:
    """Width and height of the first image; all its strips or tiles must be there."""
    tags = ImageFileDirectory_v2(data[:8])
    stream = io.BytesIO(data)
    stream.seek(tags.next)
    tags.load(stream)
    pieces = [(tags[place], tags[size]) for place, size in _PIECES if place in tags]
    if not pieces:
        raise ValueError("it says nothing of pixels")
    for places, sizes in pieces:
        if any(place + size > len(data) for place, size in zip(places, sizes, strict=True)):
            raise ValueError("the file ends before its image does")
    return tags[ExifTags.Base.ImageWidth], tags[ExifTags.Base.ImageLength]


def _gif_size(data: bytes) -> tuple[int, int]:
    """Size of the screen; the first picture on it must be whole and lie inside (GIF89a
    specification, sections 18 to 22).
    """
    width, height = struct.unpack_from("<HH", data, 6)
    image = GifImageFile(io.BytesIO(data))
    if image.size != (width, height):
        raise ValueError("its picture is larger than its screen")
    place = image.tile[0].offset
    while length := data[place]:
        place += 1 + length
    return width, height
