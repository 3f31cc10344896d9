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
            lambda index, _: images[slots[index], offset : offset + size, offset : offset + size],
        )

    def training(self, images: np.ndarray, slots: np.ndarray, view: ViewParams) -> Tensor:
        """A drawn view, as of `evaluation`."""
        size = self._preprocessing.size
        crops = boxes(view, self._preprocessing.resized).tolist()
        matrices, of_grey = colour_matrices(view)
        maps, erased = warps(view, self._preprocessing.resized, size), erased_boxes(view, size)

        def cut(index: int, room: _Room) -> np.ndarray:
            if maps is not None:
                return _warp(images[slots[index]], maps[index], size)
            top, left, height, width = crops[index]
            crop = images[slots[index], top : top + height, left : left + width]
            # OpenCV resizes four channels in half the time of three, to the same bits, and flips
            # them in a tenth
            wide = cv2.cvtColor(crop, cv2.COLOR_RGB2RGBA, dst=room.wide[:height, :width])
            seen = cv2.resize(
                wide, (size, size), dst=room.seen, interpolation=cv2.INTER_LINEAR_EXACT
            )
            if view.flip[index]:
                seen = cv2.flip(seen, 1, dst=room.turned)
            return cv2.cvtColor(seen, cv2.COLOR_RGBA2RGB, dst=room.cut)

        def colour(index: int, image: np.ndarray, room: _Room) -> np.ndarray:
            sums = cv2.reduce(image, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0].sum(
                axis=0
            )  # exact, and ten times as fast as cv2.mean
            offset = of_grey[index] * (sums @ _LUMA) / size**2
            matrix = np.column_stack([matrices[index], np.full(3, offset, np.float32)])
            return cv2.transform(image, matrix, dst=room.coloured)

        batch = self._batch(len(slots), cut, colour)
        if erased is not None:
            for image, (top, left, height, width) in zip(batch, erased.tolist(), strict=True):
                image[:, top : top + height, left : left + width] = 0
        return batch

    def _batch(
        self,
        count: int,
        cut: "Callable[[int, _Room], np.ndarray]",
        colour: "Callable[[int, np.ndarray, _Room], np.ndarray] | None" = None,
    ) -> Tensor:
        """Cut, equalise, colour and normalise every image into one tensor."""
        size = self._preprocessing.size
        out = np.empty((count, size, size, 3), dtype=np.float32)

        def fill(part: range) -> None:
            equaliser = (
                self._preprocessing.equaliser()
            )  # OpenCV's object holds a buffer: one for each thread
            room = _Room(self._preprocessing.resized, size)
            for index in part:
                image = cut(index, room)
                if equaliser is not None:
                    image = equaliser(image)
                if colour is not None:
                    image = colour(index, image, room)
                np.copyto(room.pixels, image)
                cv2.transform(room.pixels, self._normal, dst=out[index])

        if self._pool is None:
            fill(range(count))
        else:
            parts = [range(start, count, self._threads) for start in range(self._threads)]
            list(self._pool.map(fill, parts))
        return torch.from_numpy(out).permute(0, 3, 1, 2)


class _Room:
    """Pictures that one thread works in; new ones of this size cost more than what is done to them.

    Args:
        side: of the pictures that views are cut from.
        size: of the views.
    """

    def __init__(self, side: int, size: int) -> None:
        self.wide = np.empty((side, side, 4), dtype=np.uint8)
        self.seen, self.turned = (np.empty((size, size, 4), dtype=np.uint8) for _ in range(2))
        self.cut, self.coloured = (np.empty((size, size, 3), dtype=np.uint8) for _ in range(2))
        self.pixels = np.empty((size, size, 3), dtype=np.float32)


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
