"""Image bank: every image of a half of the pack decoded once into one uint8 tensor; views are then cut from it in batches."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fer_core.data.augment import evaluation_view, training_view
from fer_core.data.augment_cpu import CpuViews
from fer_core.data.pack import Pack
from fer_core.data.preprocessing import Preprocessing
from fer_core.data.views import ViewOptions, sample_keys, view_params
from fer_core.logs import progress_off
from fer_core.sources.decode import decode_rgb

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
        device: where the pixels are kept and views are computed.
    """

    def __init__(
        self,
        pack: Pack,
        rows: Sequence[int] | np.ndarray,
        preprocessing: Preprocessing,
        options: ViewOptions | None,
        threads: int,
        device: torch.device,
    ) -> None:
        self.preprocessing = preprocessing
        self.device = device
        self._options = options
        rows = np.asarray(rows, dtype=np.int64)
        ids = pack.rows.sample_ids
        self._keys = sample_keys([ids[row] for row in rows])
        self._slot = np.full(len(ids), -1, dtype=np.int64)
        self._slot[rows] = np.arange(len(rows))
        side = preprocessing.resized
        on_cpu = device.type == "cpu"
        pixels = np.empty((len(rows), side, side, 3) if on_cpu else (len(rows), 3, side, side), dtype=np.uint8)

        def decode(slot: int) -> None:
            row = int(rows[slot])
            image = preprocessing.square(decode_rgb(pack.image(row), where=ids[row]))
            pixels[slot] = image if on_cpu else image.transpose(2, 0, 1)

        with ThreadPoolExecutor(threads) as pool:
            for _ in tqdm(
                pool.map(decode, range(len(rows))), total=len(rows), desc="decode", unit="img", leave=False, disable=progress_off()
            ):
                pass
        self._cpu = CpuViews(preprocessing, threads) if on_cpu else None
        self._pixels: Any = pixels if on_cpu else torch.from_numpy(pixels).to(device)
        log.info("decoded %d images at %d px", len(rows), side)

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
            return self._cpu.evaluation(self._pixels, slots) if drawn is None else self._cpu.training(self._pixels, slots, drawn)
        on_device = self._pixels[torch.from_numpy(slots).to(self.device)]
        return evaluation_view(on_device, self.preprocessing) if drawn is None else training_view(on_device, drawn, self.preprocessing)
