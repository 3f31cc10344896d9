"""What a picture in memory must be before a network sees it."""

import numpy as np

from fer_core.base.errors import DataError

__all__ = ["check_rgb"]


def check_rgb(image: object, where: str = "image") -> np.ndarray:
    """The image, if it is RGB of 8 bits.

    Raises:
        DataError: anything but uint8 [H, W, 3] with at least one pixel; names `where`.
    """
    if (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size
    ):
        return image
    found = (
        f"{image.dtype} {list(image.shape)}"
        if isinstance(image, np.ndarray)
        else type(image).__name__
    )
    raise DataError(
        "An image is not RGB of 8 bits.", where=where, found=found, expected="uint8 [H, W, 3]"
    )
