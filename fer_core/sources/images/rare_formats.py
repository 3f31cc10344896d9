"""TIFF and GIF, which some data sets hold beside the usual formats: they become PNG when they are
read, and no later stage knows them.

As with `decode.py` the header is read first, so that a bomb or a cut file never reaches the
decoder.
"""

import struct

import numpy as np

from fer_core.pixels.decode import MAX_PIXELS, UndecodableImage
from fer_core.pixels.opencv import cv2
from fer_core.sources.images.tiff import tiff_size

__all__ = ["as_usual_format"]


def as_usual_format(data: bytes, where: object, max_pixels: int = MAX_PIXELS) -> bytes:
    """PNG with the first picture of a TIFF or GIF file; other bytes as they are.

    Args:
        data: any bytes.
        where: names the image in errors.
        max_pixels: limit on width x height.

    Raises:
        UndecodableImage: a TIFF or GIF file that is cut short, damaged or over the limit.
    """
    size = (
        tiff_size
        if data[:4] in (b"II*\0", b"MM\0*")
        else _gif_size
        if data[:6] in (b"GIF87a", b"GIF89a")
        else None
    )
    if size is None:
        return data
    try:
        width, height = size(data)
    except (struct.error, IndexError, ValueError) as error:
        raise _damaged(
            where, str(error) if isinstance(error, ValueError) else "the file ends too early"
        ) from error
    if not 0 < width * height <= max_pixels:
        raise UndecodableImage(
            "An image has more pixels than allowed, or none.",
            where=where,
            found=f"{width} x {height}",
            expected=f"1 to {max_pixels} pixels",
            remedy="look at the file; raise clean.max_pixels if it is sound",
        )
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise _damaged(where, "the decoder refuses it") from error
    if image is None or sorted(image.shape[:2]) != sorted((width, height)):
        raise _damaged(where, "the decoder refuses it")
    return cv2.imencode(".png", image)[1].tobytes()


def _damaged(where: object, found: str) -> UndecodableImage:
    return UndecodableImage(
        "An image is damaged.",
        where=where,
        found=found,
        remedy="fetch the file again, or remove it and its label",
    )


def _gif_size(data: bytes) -> tuple[int, int]:
    """Size of the screen; the first picture on it must be whole and lie inside (GIF89a
    specification, sections 18 to 22).
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    place = 13 + _colours(flags)
    while data[place] == 0x21:  # an extension: its label, then blocks
        place = _behind_blocks(data, place + 2)
    if data[place] != 0x2C:
        raise ValueError("there is no picture in it")
    left, top, wide, high, flags = struct.unpack_from("<HHHHB", data, place + 1)
    if left + wide > width or top + high > height:
        raise ValueError("its picture is larger than its screen")
    _behind_blocks(data, place + 11 + _colours(flags))
    return width, height


def _colours(flags: int) -> int:
    """Bytes of the table of colours that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(data: bytes, place: int) -> int:
    """Where a chain of data blocks ends."""
    while length := data[place]:
        place += 1 + length
    return place + 1
