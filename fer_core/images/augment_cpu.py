"""Views applied on the CPU, image by image through OpenCV, which is several times faster there than
batched tensor work.

The same views as those of `augment` before normalisation: crop, rotation, CLAHE and evaluation view
bit for bit, the colour within one grey level of 255. Normalisation is one affine map and differs in
the last bit.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from fer_core.images.views import ViewParams, boxes, colour_matrices, erased_boxes, warps
from fer_core.pixels.opencv import cv2
from fer_core.pixels.preprocessing import Preprocessing

__all__ = ["CpuViews"]

_LUMA = np.array([0.299, 0.587, 0.114])


class CpuViews:
    """Draws views of images kept as uint8 [N, resized, resized, 3].

    Args:
        preprocessing: size, crop, CLAHE, mean and std.
        threads: number of threads that share the images; results do not depend on it.
    """

    def __init__(self, preprocessing: Preprocessing, threads: int) -> None:
        self._preprocessing = preprocessing
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._threads = threads
        mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
        self._normal = np.column_stack([np.diag(1 / (255 * std)), -mean / std]).astype(np.float32)

    def evaluation(self, images: np.ndarray, slots: np.ndarray) -> Tensor:
        """View 0 of the images at `slots` [n]: float32 [n, 3, size, size], normalised, channels
        last.
        """
        size = self._preprocessing.size
        offset = (self._preprocessing.resized - size) // 2
        return self._batch(
            len(slots),
            lambda index: images[slots[index], offset : offset + size, offset : offset + size],
        )

    def training(self, images: np.ndarray, slots: np.ndarray, view: ViewParams) -> Tensor:
        """A drawn view, as of `evaluation`."""
        size = self._preprocessing.size
        crops = boxes(view, self._preprocessing.resized).tolist()
        matrices, of_grey = colour_matrices(view)
        maps, erased = warps(view, self._preprocessing.resized, size), erased_boxes(view, size)

        def cut(index: int) -> np.ndarray:
            if maps is not None:
                return _warp(images[slots[index]], maps[index], size)
            top, left, height, width = crops[index]
            crop = cv2.resize(
                images[slots[index], top : top + height, left : left + width],
                (size, size),
                interpolation=cv2.INTER_LINEAR_EXACT,
            )
            return cv2.flip(crop, 1) if view.flip[index] else crop

        def colour(index: int, image: np.ndarray) -> np.ndarray:
            sums = cv2.reduce(image, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0].sum(
                axis=0
            )  # exact, and ten times as fast as cv2.mean
            offset = of_grey[index] * (sums @ _LUMA) / size**2
            return cv2.transform(
                image, np.column_stack([matrices[index], np.full(3, offset, np.float32)])
            )

        batch = self._batch(len(slots), cut, colour)
        if erased is not None:
            for image, (top, left, height, width) in zip(batch, erased.tolist(), strict=True):
                image[:, top : top + height, left : left + width] = 0
        return batch

    def _batch(
        self,
        count: int,
        cut: Callable[[int], np.ndarray],
        colour: Callable[[int, np.ndarray], np.ndarray] | None = None,
    ) -> Tensor:
        """Cut, equalise, colour and normalise every image into one tensor."""
        size = self._preprocessing.size
        out = np.empty((count, size, size, 3), dtype=np.float32)

        def fill(part: range) -> None:
            equaliser = (
                self._preprocessing.equaliser()
            )  # OpenCV's object holds a buffer: one for each thread
            pixels = np.empty((size, size, 3), dtype=np.float32)
            for index in part:
                image = cut(index)
                if equaliser is not None:
                    image = equaliser(image)
                if colour is not None:
                    image = colour(index, image)
                np.copyto(pixels, image)
                cv2.transform(pixels, self._normal, dst=out[index])

        if self._pool is None:
            fill(range(count))
        else:
            parts = [range(start, count, self._threads) for start in range(self._threads)]
            list(self._pool.map(fill, parts))
        return torch.from_numpy(out).permute(0, 3, 1, 2)


def _warp(image: np.ndarray, warp: np.ndarray, size: int) -> np.ndarray:
    """The view of `size` pixels that a row of `warps` reads from an image, bilinear in 32nds of a
    pixel; what lies outside repeats the border.
    """
    places = np.arange(size)
    a, b, c, d, e, f = warp.tolist()
    x = (a * places + (b * places[:, None] + c + 1024)) >> 11
    y = (d * places + (e * places[:, None] + f + 1024)) >> 11
    return cv2.remap(
        image,
        np.stack([x >> 5, y >> 5], axis=2).astype(np.int16),
        ((y & 31) << 5 | x & 31).astype(np.uint16),
        interpolation=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
