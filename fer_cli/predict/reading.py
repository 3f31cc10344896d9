"""Photos as cameras and phones write them, for `fer predict`: larger than what the pipeline takes,
and TIFF too.
"""

import struct
from pathlib import Path

import numpy as np

from fer_core.base.errors import DataError
from fer_core.pixels.decode import UndecodableImage, decode_rgb, image_size
from fer_core.pixels.opencv import cv2

__all__ = ["MAX_PIXELS", "SUFFIXES", "read_photo"]

MAX_PIXELS = 200_000_000
"""Of the largest phone cameras; decoding takes about six bytes a pixel."""

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

_KINDS = "PNG, JPEG, BMP, WebP or TIFF"
_WIDTH, _HEIGHT = 256, 257  # TIFF tags


def read_photo(file: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file, upright as its EXIF orientation says; of a TIFF the first page.

    Args:
        file: PNG, JPEG, BMP, WebP or TIFF, whatever its name ends in.
        max_pixels: limit on width x height, checked from the header before anything is decoded.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        DataError: the file cannot be read, is no image of these kinds, is damaged, or is over the
            limit; says what a user can do.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError("This file cannot be read.", where=file, found=error.strerror) from error
    is_tiff = data[:4] in (b"II*\0", b"MM\0*")
    try:
        width, height = _tiff_size(data, file) if is_tiff else image_size(data, file)
        if width * height > max_pixels:
            raise DataError(
                "An image has more pixels than allowed.",
                where=file,
                found=f"{width} x {height}",
                expected=f"at most {max_pixels} pixels",
                remedy="shrink it, or raise --max-pixels if the file is sound",
            )
        return (
            _decode_tiff(data, file, (width, height))
            if is_tiff
            else decode_rgb(data, file, max_pixels)
        )
    except UndecodableImage as error:
        raise DataError(
            error.problem,
            where=file,
            found=error.found,
            expected=error.expected and _KINDS,
            remedy="if another program shows it, save it from there as JPEG or PNG",
        ) from error


def _tiff_size(data: bytes, where: object) -> tuple[int, int]:
    """Width and height from the first directory of a TIFF (TIFF 6.0, section 2).

    Raises:
        UndecodableImage: the directory is cut short or gives no size.
    """
    order = "<" if data[:2] == b"II" else ">"
    sizes = {_WIDTH: 0, _HEIGHT: 0}
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        (entries,) = struct.unpack_from(f"{order}H", data, place)
        for entry in range(place + 2, place + 2 + 12 * entries, 12):
            tag, kind = struct.unpack_from(f"{order}HH", data, entry)
            if tag in sizes:
                (sizes[tag],) = struct.unpack_from(
                    order + ("H" if kind == 3 else "I"), data, entry + 8
                )
    except struct.error as error:
        raise UndecodableImage(
            "An image is damaged.", where=where, found="the file ends too early"
        ) from error
    width, height = sizes.values()
    if not width or not height:
        raise UndecodableImage(
            "An image is damaged.",
            where=where,
            found=f"the header gives a size of {width} x {height}",
        )
    return width, height


def _decode_tiff(data: bytes, where: object, size: tuple[int, int]) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UndecodableImage(
            "An image is damaged.", where=where, found="the decoder refuses it"
        ) from error
    if image is None or sorted(image.shape[:2]) != sorted(size):
        raise UndecodableImage("An image is damaged.", where=where, found="the decoder refuses it")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
