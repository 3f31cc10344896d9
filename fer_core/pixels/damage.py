"""Damage that a decoder fills in without a word: part of a scan flipped, zeroed or cut off.

libjpeg paints what it cannot read and counts a warning; OpenCV does not pass these on. simplejpeg,
a binding of libjpeg-turbo, does. PNG has checksums, which `decode.py` compares; uncompressed BMP
and WebP have none, so only what is missing shows there.
"""

import simplejpeg

from fer_core.pixels.decode import damaged, image_format

__all__ = ["check_whole"]

_FAST = {"min_height": 1, "min_width": 1, "min_factor": 8}  # reads all data, builds a small picture


def check_whole(data: bytes, where: object) -> None:
    """Refuse a JPEG whose scans libjpeg has warnings for; other formats pass.

    Args:
        data: an encoded image whose header was checked.
        where: names it in errors.

    Raises:
        UndecodableImage: says what libjpeg says.
    """
    if image_format(data) != "jpeg":
        return
    try:
        colours = simplejpeg.decode_jpeg_header(data)[2]
        simplejpeg.decode_jpeg(data, "CMYK" if colours in ("CMYK", "YCCK") else "GRAY", **_FAST)
    except ValueError as error:
        raise damaged(where, str(error)) from error
