"""Small pictures for people to look at."""

import numpy as np

from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.opencv import cv2

__all__ = ["thumbnail_jpeg"]

_SIDE, _QUALITY = 64, 85


def thumbnail_jpeg(image: bytes, sample_id: str, pixels: int) -> bytes:
    """A JPEG whose longer side is at most 64 pixels, never enlarged; grey where the image is.

    Args:
        image: the encoded image.
        sample_id: names it in errors.
        pixels: how many it has on record; more are refused before they are decoded.
    """
    picture = decode_rgb(image, sample_id, pixels)
    height, width = picture.shape[:2]
    if (scale := _SIDE / max(height, width)) < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    is_grey = bool((picture == picture[..., :1]).all())
    plane = (
        np.ascontiguousarray(picture[..., 0])
        if is_grey
        else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    )
    return cv2.imencode(
        ".jpg", plane, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    )[1].tobytes()
