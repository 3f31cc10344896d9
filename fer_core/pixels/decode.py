"""Decoding of untrusted images: the header is read first, so that a bomb or a cut file never
reaches the decoder.
"""

import struct
import zlib
from collections.abc import Callable

import numpy as np

from fer_core.base.errors import DataError
from fer_core.pixels.opencv import cv2

__all__ = [
    "MAX_PIXELS",
    "UndecodableImage",
    "check_pixels",
    "damaged",
    "decode_rgb",
    "decode_whole",
    "decoded_bytes",
    "image_format",
    "image_size",
]

MAX_PIXELS = 50_000_000

_UNREADABLE = {
    **dict.fromkeys(
        (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), "HEIC"
    ),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
"""Brands of the ISO base media file format."""

_MOST_SCANS = 64  # encoders write about ten; each costs a pass over all pixels
_NO_SIZE = frozenset({0xC4, 0xC8, 0xCC})  # JPEG markers in the range of frame headers that are none


class UndecodableImage(DataError):
    """Bytes that are no whole image of a known format within the pixel limit."""


def decode_rgb(data: bytes, where: object, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode a PNG, JPEG, BMP or WebP image.

    EXIF orientation is applied, an alpha channel is dropped, 16 bits become 8, grey becomes three
    equal channels.

    Args:
        data: the encoded image.
        where: names the image in errors.
        max_pixels: limit on width x height, checked from the header before anything is decoded.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        UndecodableImage: unknown format, empty, cut short, damaged or over the limit.
    """
    width, height = image_size(data, where)
    check_pixels(width, height, where, max_pixels)
    return cv2.cvtColor(decode_whole(data, width, height, where), cv2.COLOR_BGR2RGB)


def decoded_bytes(data: bytes) -> int:
    """About what decoding takes, by the header: the pixels in both orders of colours; 0 where there
    is no sound header.
    """
    try:
        width, height = image_size(data, "")
    except UndecodableImage:
        return 0
    return 6 * width * height


def check_pixels(width: int, height: int, where: object, max_pixels: int) -> None:
    """Refuse a picture of another size than 1 to `max_pixels` pixels.

    Raises:
        UndecodableImage: it has more, or none.
    """
    if not (width > 0 and height > 0 and width * height <= max_pixels):
        raise UndecodableImage(
            "An image has more pixels than allowed, or none.",
            where=where,
            found=f"{width} x {height}",
            expected=f"at least 1 and at most {max_pixels} pixels",
            remedy="look at the file; raise clean.max_pixels if it is sound",
        )


def decode_whole(data: bytes, width: int, height: int, where: object) -> np.ndarray:
    """The pixels of a file whose header was checked, uint8 [height, width, 3] BGR.

    Raises:
        UndecodableImage: the decoder refuses it, or finds another size.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise damaged(where, "the decoder refuses it") from error
    if image is None or sorted(image.shape[:2]) != sorted((width, height)):
        raise damaged(where, "the decoder refuses it")
    return image


def image_size(data: bytes, where: object) -> tuple[int, int]:
    """Width and height as the header states them; also proves that the file is not cut short.

    Raises:
        UndecodableImage: unknown format, no size, or the file ends before its image does.
    """
    kind = image_format(data)
    if kind is None and data[4:8] == b"ftyp" and data[8:12] in _UNREADABLE:
        raise UndecodableImage(
            f"This is a picture in {_UNREADABLE[data[8:12]]}, which cannot be decoded here.",
            where=where,
            found=f"{len(data)} bytes",
            expected="PNG, JPEG, BMP or WebP",
            remedy="save it as JPEG or PNG (`heif-convert` of libheif, or the program that shows "
            "it); phones can be told to take JPEG",
        )
    if kind is None:
        raise UndecodableImage(
            "This is no image of a known format.",
            where=where,
            found=f"{len(data)} bytes beginning {data[:8]!r}",
            expected="PNG, JPEG, BMP or WebP",
            remedy="fetch the file again, or remove it and its label",
        )
    try:
        width, height = _READERS[kind](data)
    except (struct.error, IndexError, ValueError) as error:
        raise damaged(
            where, str(error) if isinstance(error, ValueError) else "the file ends too early"
        ) from error
    if width <= 0 or height <= 0:
        raise damaged(where, f"the header gives a size of {width} x {height}")
    return width, height


def damaged(where: object, found: str) -> UndecodableImage:
    """The error for an image that is cut short or damaged."""
    return UndecodableImage(
        "An image is damaged.",
        where=where,
        found=found,
        remedy="fetch the file again, or remove it and its label",
    )


def image_format(data: bytes) -> str | None:
    """png, jpeg, bmp or webp by the first bytes of a file; None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    marks = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "bmp": b"BM"}
    return next((name for name, mark in marks.items() if data.startswith(mark)), None)


def _png(data: bytes) -> tuple[int, int]:
    """Size from IHDR; all chunks up to IEND must be whole, the checksums of critical ones right
    (PNG specification, section 5).
    """
    size, place = (0, 0), 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, place)
        (checksum,) = struct.unpack_from(">I", data, place + 8 + length)
        critical = not kind[0] & 0x20
        if critical and zlib.crc32(data[place + 4 : place + 8 + length]) != checksum:
            raise ValueError(f"the checksum of its {kind!r} part is wrong")
        if place == 8:
            if kind != b"IHDR":
                raise ValueError("the header is missing")
            size = struct.unpack_from(">II", data, place + 8)
        if kind == b"IEND":
            return size
        place += 12 + length


def _jpeg(data: bytes) -> tuple[int, int]:
    """Size from the first frame header; an end-of-image marker must follow the first scan (ITU
    T.81, annex B).
    """
    size, place = (0, 0), 2
    while True:
        if data[place] != 0xFF:
            raise ValueError("a segment is missing before the image")
        marker = data[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        (length,) = struct.unpack_from(">H", data, place + 2)
        if 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            height, width = struct.unpack_from(">HH", data, place + 5)
            size = (width, height)
        place += 2 + length
        if marker == 0xDA:
            if data.find(b"\xff\xd9", place) < 0:
                raise ValueError("the file ends before its image does")
            if (scans := data.count(b"\xff\xda", place) + 1) > _MOST_SCANS:
                raise ValueError(f"it has {scans} scans, more than the {_MOST_SCANS} allowed")
            return size


def _bmp(data: bytes) -> tuple[int, int]:
    """Size from the info header; uncompressed pixels must all be there."""
    offset, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)
    if offset < 14 + header:
        raise ValueError("its pixels begin inside its header")
    if compression in (0, 3) and len(data) < offset + (width * bits + 31) // 32 * 4 * height:
        raise ValueError("the file ends before its image does")
    return width, height


def _webp(data: bytes) -> tuple[int, int]:
    """Size from the first chunk: VP8X, VP8L or VP8 (RFC 9649)."""
    if struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        raise ValueError("the file ends before its image does")
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("the header is missing")


_READERS: dict[str, Callable[[bytes], tuple[int, int]]] = {
    "png": _png,
    "jpeg": _jpeg,
    "bmp": _bmp,
    "webp": _webp,
}
