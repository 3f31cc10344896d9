"""Views applied on the CPU, image by image through OpenCV, which is there several times faster than batched tensor work.

The same views as those of `augment`: crop, CLAHE and evaluation view bit for bit, the colour within one grey level of 255.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from torch import Tensor

from fer_core.data.preprocessing import Preprocessing
from fer_core.data.views import ViewParams, boxes, colour_matrices

__all__ = ["CpuViews"]


class CpuViews:
    """Draws views of images kept as uint8 [N, resized, resized, 3].

    Args:
        preprocessing: size, crop, CLAHE, mean and std.
        threads: images are shared out among so many threads; results do not depend on their number.
    """

    def __init__(self, preprocessing: Preprocessing, threads: int) -> None:
        self._preprocessing = preprocessing
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._threads = threads
        mean, std = (np.array(values, dtype=np.float32) for values in (preprocessing.mean, preprocessing.std))
        self._normal = ((np.arange(256, dtype=np.float32)[:, None] / np.float32(255) - mean) / std)[None]

    def evaluation(self, images: np.ndarray, slots: np.ndarray) -> Tensor:
        """View 0 of the images at `slots` [n]: float32 [n, 3, size, size], normalised, channels last."""
        size = self._preprocessing.size
        offset = (self._preprocessing.resized - size) // 2
        return self._batch(len(slots), lambda index: images[slots[index], offset : offset + size, offset : offset + size])

    def training(self, images: np.ndarray, slots: np.ndarray, view: ViewParams) -> Tensor:
        """A drawn view, as of `evaluation`."""
        size = self._preprocessing.size
        box = boxes(view, self._preprocessing.resized)
        matrices, of_grey = colour_matrices(view)
        rows = [slice(top, top + height) for top, height in zip(box.top.tolist(), box.height.tolist(), strict=True)]
        columns = [slice(left, left + width) for left, width in zip(box.left.tolist(), box.width.tolist(), strict=True)]

        def cut(index: int) -> np.ndarray:
            crop = cv2.resize(images[slots[index], rows[index], columns[index]], (size, size), interpolation=cv2.INTER_LINEAR_EXACT)
            return cv2.flip(crop, 1) if view.flip[index] else crop

        def colour(index: int, image: np.ndarray) -> np.ndarray:
            red, green, blue, _ = cv2.mean(image)
            offset = of_grey[index] * (0.299 * red + 0.587 * green + 0.114 * blue)
            return cv2.transform(image, np.column_stack([matrices[index], np.full(3, offset, np.float32)]))

        return self._batch(len(slots), cut, colour)

    def _batch(self, count: int, cut: Callable[[int], np.ndarray], colour: Callable[[int, np.ndarray], np.ndarray] | None = None) -> Tensor:
        """Cut, equalise, colour and normalise every image into one tensor."""
        size = self._preprocessing.size
        out = np.empty((count, size, size, 3), dtype=np.float32)

        def fill(part: range) -> None:
            equaliser = self._preprocessing.equaliser()  # OpenCV's object holds a buffer: one for each thread
            for index in part:
                image = cut(index)
                if equaliser is not None:
                    image = equaliser(image)
                if colour is not None:
                    image = colour(index, image)
                cv2.LUT(image, self._normal, dst=out[index])

        if self._pool is None:
            fill(range(count))
        else:
            parts = [range(start, count, self._threads) for start in range(self._threads)]
            list(self._pool.map(fill, parts))
        return torch.from_numpy(out).permute(0, 3, 1, 2)
