"""An upper bound on the correlation of two thumbnails, from 32 small numbers of each.

A thumbnail less its mean and scaled to length 1 has coordinates in any orthonormal basis, and the
correlation of two thumbnails is the product of theirs. A sketch keeps the coordinates of low
frequencies and the length of the rest. By Cauchy and Schwarz the product of the rests is at most
the product of their lengths. So a pair whose bound is below a threshold correlates less than that,
for sure, and its thumbnails need not be compared.
"""

from collections.abc import Callable

import numpy as np

from fer_core.dataset.store.imagehash import THUMBNAIL

__all__ = ["Sketches"]

_KEPT = 31  # with the length of the rest 64 bytes, a line of a processor's cache
_SCALE = 32767
_SLACK = 1e-3
"""Added wherever rounding could make the bound too small. Single precision takes at most
1024 * 2^-24 = 6.1e-5 from a coordinate and the scale 1.6e-5: 4.3e-4 from a vector of 31, hence
8.6e-4 from the product of two of length 1, and from the square of the length of the rest.
"""
_CHUNK = 16384


class Sketches:
    """Sketches of numbered pictures, made when they are first asked for.

    Args:
        count: how many pictures there are.
        thumbnails: gives the thumbnails, uint8 [n, pixels], of pictures by their numbers, int64 [n]
            in ascending order; asked once for each.
    """

    def __init__(self, count: int, thumbnails: Callable[[np.ndarray], np.ndarray]) -> None:
        self._thumbnails = thumbnails
        self._values = np.zeros((count, _KEPT + 1), dtype=np.int16)
        self._made = np.zeros(count, dtype=bool)
        self._basis, self._mirror = _low_frequencies()

    def bounds(self, pairs: np.ndarray, *, mirrored: bool = False) -> np.ndarray:
        """No less than the correlation of the thumbnails of each pair, float32 [P].

        Args:
            pairs: numbers of pictures, int64 [P, 2].
            mirrored: of the first with the mirrored second.
        """
        self._make(pairs)
        found = []
        for start in range(0, len(pairs), _CHUNK):
            one, other = (
                self._values[side].astype(np.float32) for side in pairs[start : start + _CHUNK].T
            )
            if mirrored:
                other *= self._mirror
            found.append(np.einsum("pk,pk->p", one, other))
        return np.concatenate([np.empty(0, np.float32), *found]) / np.float32(
            _SCALE**2
        ) + np.float32(_SLACK)

    def _make(self, pairs: np.ndarray) -> None:
        asked = np.zeros(len(self._made), dtype=bool)
        asked[pairs] = True
        missing = np.flatnonzero(asked & ~self._made)
        for start in range(0, len(missing), _CHUNK):
            chosen = missing[start : start + _CHUNK]
            self._values[chosen] = self._of(self._thumbnails(chosen))
            self._made[chosen] = True

    def _of(self, thumbnails: np.ndarray) -> np.ndarray:
        """Sketches, int16 [n, 32]: zeros for a flat thumbnail, which correlates with nothing."""
        values = thumbnails.astype(np.float32)
        pixels, total = values.shape[1], thumbnails.sum(axis=1, dtype=np.int64)
        squares = np.einsum("nk,nk->n", values, values, dtype=np.float64)  # exact, as is total
        length = np.sqrt(squares - total.astype(np.float64) ** 2 / pixels)[:, None]
        values -= (total / pixels)[:, None].astype(np.float32)
        kept = np.divide(
            values @ self._basis, length, out=np.zeros((len(values), _KEPT)), where=length > 0
        )
        rest = np.minimum(np.sqrt(np.maximum(1 - (kept**2).sum(axis=1) + _SLACK, 0)), 1)
        rest[length[:, 0] == 0] = 0
        return np.column_stack(
            [np.rint(np.clip(kept, -1, 1) * _SCALE), np.ceil(rest * _SCALE)]
        ).astype(np.int16)


def _low_frequencies() -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal cosines without the constant one, float32 [pixels, _KEPT], the slowest first; and
    what mirroring does to each coordinate and to the rest, float32 [_KEPT + 1] of 1 and -1.
    """
    at = (2 * np.arange(THUMBNAIL) + 1) * np.pi / (2 * THUMBNAIL)
    waves = np.cos(np.arange(THUMBNAIL)[:, None] * at) * np.sqrt(2 / THUMBNAIL)
    waves[0] /= np.sqrt(2)
    places = [(down, right) for down in range(THUMBNAIL) for right in range(THUMBNAIL)]
    slowest = sorted(places, key=lambda place: (place[0] ** 2 + place[1] ** 2, place))[1:]
    chosen = slowest[:_KEPT]
    basis = np.stack([np.outer(waves[down], waves[right]).ravel() for down, right in chosen], 1)
    mirror = [1 - 2 * (right % 2) for _, right in chosen]
    return basis.astype(np.float32), np.array([*mirror, 1], dtype=np.float32)
