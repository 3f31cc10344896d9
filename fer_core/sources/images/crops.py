"""Faces cut out of photos by the boxes of a label file."""

from typing import NamedTuple

import numpy as np

from fer_core.base.errors import DataError
from fer_core.pixels.opencv import cv2
from fer_core.sources.catalogue.options import CropOptions
from fer_core.sources.images.photos import Photo, upright

__all__ = ["Box", "Cut", "crop_box", "cut_face", "encode_crop"]

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels; bottom and right are the first row and column outside."""

_SUBSAMPLING = {
    444: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    420: cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


def crop_box(box: Box, pad_ratio: float, width: int, height: int) -> tuple[Box, bool]:
    """The box to cut out: padded on each side by `pad_ratio` of its own size, rounded, kept inside
    the photo.

    Args:
        box: as the label file gives it.
        pad_ratio: 0 leaves it as it is.
        width: of the photo.
        height: of the photo.

    Returns:
        The box and whether the photo's edge cut it. It has no area where the face lies outside the
            photo.
    """
    top, left, bottom, right = box
    tall, wide = round((bottom - top) * pad_ratio), round((right - left) * pad_ratio)
    wanted = (top - tall, left - wide, bottom + tall, right + wide)
    inside = (max(wanted[0], 0), max(wanted[1], 0), min(wanted[2], height), min(wanted[3], width))
    return inside, inside != wanted


class Cut(NamedTuple):
    """An encoded face, and the note that the photo's edge cut its box, or ""."""

    image: bytes
    note: str


def cut_face(
    data: bytes | None,
    photo: Photo,
    box: Box,
    pad_ratio: float,
    options: CropOptions,
    where: object,
) -> Cut | None:
    """The face in a box, upright; a box that is the whole photo gives the photo's own bytes,
    nothing is encoded again.

    Args:
        data: the encoded photo; None encodes the face in any case.
        photo: the same decoded.
        box: as the label file gives it, in pixels of `photo` as it is.
        pad_ratio: as for `crop_box`.
        where: names the photo in errors.

    Returns:
        None where no part of the box lies inside the photo.

    Raises:
        DataError: as `encode_crop`.
    """
    height, width = photo.pixels.shape[:2]
    (top, left, bottom, right), clipped = crop_box(box, pad_ratio, width, height)
    if bottom <= top or right <= left:
        return None
    whole = (top, left, bottom, right) == (0, 0, height, width)
    face = (
        data
        if whole and data is not None
        else encode_crop(
            upright(photo.pixels[top:bottom, left:right], photo.orientation), options, where
        )
    )
    return Cut(face, "box clipped to the photo" if clipped else "")


def encode_crop(crop: np.ndarray, options: CropOptions, where: object) -> bytes:
    """A crop, uint8 [height, width, 3] RGB, as JPEG.

    Raises:
        DataError: the encoder refuses it (an area of nothing).
    """
    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        options.quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        _SUBSAMPLING[options.subsampling],
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise DataError("A face cannot be encoded as JPEG.", where=where)
    return data.tobytes()
