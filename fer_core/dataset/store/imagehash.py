"""What tells two pictures apart: a hash of the exact pixels, one that survives rescaling and
recompression, and a thumbnail.
"""

import hashlib

import numpy as np

from fer_core.pixels.opencv import cv2

__all__ = ["THUMBNAIL", "grey_plane", "phash", "pixel_sha256", "thumbnail"]

THUMBNAIL = 32
"""Side of the grey thumbnails, in pixels."""

_BLOCK = 8


def pixel_sha256(image: np.ndarray) -> str:
    """Hexadecimal SHA-256 of size and pixels.

    A picture whose three channels are equal hashes as its grey plane, so one stored grey and one
    stored as RGB are equal.

    Args:
        image: uint8 [height, width] or [height, width, 3].
    """
    if (
        image.ndim == 3
        and (image[..., 0] == image[..., 1]).all()
        and (image[..., 0] == image[..., 2]).all()
    ):
        image = image[..., 0]
    digest = hashlib.sha256("x".join(map(str, image.shape)).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def grey_plane(image: np.ndarray) -> np.ndarray:
    """uint8 [height, width]: luma of an RGB picture; a grey one as it is."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def thumbnail(image: np.ndarray) -> np.ndarray:
    """The picture as a grey uint8 [THUMBNAIL, THUMBNAIL], resized by area; `image` is grey or
    RGB.
    """
    return cv2.resize(grey_plane(image), (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)


def phash(small: np.ndarray) -> int:
    """64-bit perceptual hash: signs of the low frequencies of a 32 x 32 grey thumbnail against
    their median.

    Bit i (from the highest) is coefficient i of the 8 x 8 lowest of the DCT in row order, 1 where
    it exceeds the median of the 63 that are not the mean brightness, whose own bit (the highest) is
    always 0. Similar pictures differ in few bits. Method: Zauner, "Implementation and benchmarking
    of perceptual image hash functions", 2010, section 3.2.1.

    Args:
        small: its thumbnail, uint8 [32, 32].
    """
    low = cv2.dct(small.astype(np.float64))[:_BLOCK, :_BLOCK].ravel()
    bits = low > np.median(low[1:])
    bits[0] = False
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
