"""Image bank: the images of a half of the pack as uint8, each decoded once where memory allows;
views are cut from them in batches.

Pixels lie on the device if they fit there. Else as many as fit are held in host memory, and the
others are decoded on the fly. Where they lie changes nothing in a view.
"""

import logging
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from fer_core.dataset.pack.pack import Pack
from fer_core.images.augment import evaluation_view, training_view
from fer_core.images.augment_cpu import CpuViews
from fer_core.images.memory import device_room, host_room, on_device
from fer_core.images.stream import PixelStream
from fer_core.images.views import ViewOptions, sample_keys, view_params
from fer_core.pixels.preprocessing import Preprocessing

__all__ = ["ImageBank"]

log = logging.getLogger(__name__)


class ImageBank:
    """Decoded images of some rows of a pack, addressed by row number.

    Args:
        pack: an opened half of the pack.
        rows: row numbers to hold; others cannot be asked for.
        preprocessing: decides the size at which images are kept.
        options: strength of the augmentation; only needed for k >= 1.
        threads: for decoding, and for views on the CPU.
        device: where views are computed.
        memory_gb: for decoded images, of the device and again of the host; 0 takes half of what is
            free.
    """

    def __init__(
        self,
        pack: Pack,
        rows: Sequence[int] | np.ndarray,
        preprocessing: Preprocessing,
        options: ViewOptions | None,
        threads: int,
        device: torch.device,
        memory_gb: float = 0.0,
    ) -> None:
        self.preprocessing = preprocessing
        self.device = device
        self._options = options
        rows = np.asarray(rows, dtype=np.int64)
        ids = pack.rows.sample_ids
        self._keys = sample_keys([ids[row] for row in rows])
        self._slot = np.full(len(ids), -1, dtype=np.int64)
        self._slot[rows] = np.arange(len(rows))
        on_cpu = device.type == "cpu"
        size = 3 * preprocessing.resized**2
        on_device = not on_cpu and len(rows) * size <= device_room(device, memory_gb)
        held = 0 if on_device else min(len(rows), host_room(memory_gb) // size)
        self._stream = PixelStream(
            pack, rows, preprocessing, held, threads, channels_first=not on_cpu, pinned=not on_cpu
        )
        self._pixels: Tensor | None = None
        if on_device:
            self._pixels = torch.empty(
                (len(rows), 3, preprocessing.resized, preprocessing.resized),
                dtype=torch.uint8,
                device=device,
            )
            for start, batch in self._stream.in_order(len(rows)):
                self._pixels[start : start + len(batch)].copy_(batch, non_blocking=True)
        self._cpu = CpuViews(preprocessing, threads) if on_cpu else None
        where = "the device" if on_device else "host memory"
        log.info(
            "%d of %d images held in %s at %d px",
            len(rows) if on_device else held,
            len(rows),
            where,
            preprocessing.resized,
        )

    def expect(self, batches: Iterable[np.ndarray]) -> None:
        """Announce the batches of rows that `view` will be asked for, in this order, so that
        threads can prepare them ahead.

        This helps where images are not all held on the device; a batch that was not announced is
        just as right, only later.
        """
        if self._pixels is None and not (self._cpu is not None and self._stream.whole):
            self._stream.expect(self._slot[rows] for rows in batches)

    def view(self, rows: np.ndarray, k: int) -> Tensor:
        """View k of the given rows.

        Args:
            rows: row numbers of the pack, [n].
            k: 0 for the evaluation view.

        Returns:
            float32 [n, 3, size, size], normalised, channels last.
        """
        slots = self._slot[rows]
        if (slots < 0).any():
            raise IndexError(f"row {int(np.asarray(rows)[slots < 0][0])} is not in this image bank")
        if k and self._options is None:
            raise ValueError("this image bank was made without augmentation options")
        drawn = view_params(self._keys[slots], k, self._options) if k and self._options else None
        if self._cpu is not None:
            whole = self._stream.whole
            pixels, places = (
                (self._stream.held, slots)
                if whole
                else (self._stream.take(slots).numpy(), np.arange(len(slots)))
            )
            return (
                self._cpu.evaluation(pixels, places)
                if drawn is None
                else self._cpu.training(pixels, places, drawn)
            )
        if self._pixels is None:
            images = self._stream.take(slots).to(self.device, non_blocking=True)
        else:
            images = self._pixels[on_device(slots, self.device)]
        return (
            evaluation_view(images, self.preprocessing)
            if drawn is None
            else training_view(images, drawn, self.preprocessing)
        )
