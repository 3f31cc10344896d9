"""Decoded images of a pack as they are asked for: some are held in host memory, the others decoded
again each time they are needed.

A caller that knows the coming batches announces them (`expect`); threads then prepare the next few
of them while the network works.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fer_core.base.logs import progress_off
from fer_core.dataset.pack.pack import Pack
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.preprocessing import Preprocessing

__all__ = ["PixelStream"]

_AHEAD = 3
_FILL_ROWS = 512

_Batch = tuple[np.ndarray, Tensor, list[Future[None]]]
"""A batch that threads are filling: places, images and what the threads still do."""


class PixelStream:
    """Images of some rows, by their place among these rows.

    Args:
        pack: an opened half of the pack.
        rows: row numbers, int64 [N].
        preprocessing: decides the size at which images are kept.
        held: number of rows, from the first, that are decoded at once and held.
        threads: that decode and copy.
        channels_first: images are [3, side, side], else [side, side, 3].
        pinned: batches are in page-locked memory, from which they reach a CUDA device while it
            computes.
    """

    def __init__(
        self,
        pack: Pack,
        rows: np.ndarray,
        preprocessing: Preprocessing,
        held: int,
        threads: int,
        channels_first: bool,
        pinned: bool,
    ) -> None:
        self._pack, self._rows, self._preprocessing = pack, rows, preprocessing
        self._channels_first, self._pinned, self._threads = channels_first, pinned, threads
        self._pool = ThreadPoolExecutor(threads)
        self._coming: Iterator[np.ndarray] = iter(())
        self._ready: deque[_Batch] = deque()
        side = preprocessing.resized
        self._shape = (3, side, side) if channels_first else (side, side, 3)
        self.held = np.empty((0, *self._shape), dtype=np.uint8)
        self.held = self._decoded(held)

    @property
    def whole(self) -> bool:
        """Whether all images are held."""
        return len(self.held) == len(self._rows)

    def expect(self, batches: Iterable[np.ndarray]) -> None:
        """Say which batches of places `take` will be asked for, in this order; what was said before
        is forgotten.
        """
        while self._ready:
            for part in self._ready.popleft()[2]:
                part.cancel()
        self._coming = iter(batches)
        self._refill()

    def take(self, places: np.ndarray) -> Tensor:
        """Images at some places [n]; ready if they are the next of the expected batches, else made
        now.

        Returns:
            uint8 [n, 3, side, side] or [n, side, side, 3] on the host; the caller's own.

        Raises:
            UndecodableImage: a damaged image; names it.
        """
        expected = bool(self._ready) and np.array_equal(self._ready[0][0], places)
        _, images, parts = self._ready.popleft() if expected else self._begin(places)
        self._refill()
        for part in parts:
            part.result()
        return images

    def in_order(self, count: int) -> Iterator[tuple[int, Tensor]]:
        """The first `count` images in batches, each with its first place."""
        starts = range(0, count, _FILL_ROWS)
        self.expect(np.arange(start, min(start + _FILL_ROWS, count)) for start in starts)
        with tqdm(
            total=count, desc="decode", unit="img", leave=False, disable=progress_off()
        ) as bar:
            for start in starts:
                batch = self.take(np.arange(start, min(start + _FILL_ROWS, count)))
                yield start, batch
                bar.update(len(batch))

    def _refill(self) -> None:
        while len(self._ready) < _AHEAD and (places := next(self._coming, None)) is not None:
            self._ready.append(self._begin(places))

    def _begin(self, places: np.ndarray) -> _Batch:
        """Hand the parts of a batch to the threads; every batch is finished before the threads turn
        to the next.
        """
        images = torch.empty(
            (len(places), *self._shape), dtype=torch.uint8, pin_memory=self._pinned
        )
        out = images.numpy()

        def fill(part: range) -> None:
            for index in part:
                self._put(int(places[index]), out[index])

        parts = [
            range(start, len(places), self._threads)
            for start in range(min(self._threads, len(places)))
        ]
        return places, images, [self._pool.submit(fill, part) for part in parts]

    def _put(self, place: int, out: np.ndarray) -> None:
        if place < len(self.held):
            out[...] = self.held[place]
            return
        row = int(self._rows[place])
        image = self._preprocessing.square(
            decode_rgb(self._pack.image(row), where=self._pack.rows.sample_ids[row])
        )
        out[...] = image.transpose(2, 0, 1) if self._channels_first else image

    def _decoded(self, count: int) -> np.ndarray:
        images = np.empty((count, *self._shape), dtype=np.uint8)
        for start, batch in self.in_order(count):
            images[start : start + len(batch)] = batch.numpy()
        return images
