"""All pairs of 64-bit hashes that differ in a few bits, found without comparing all pairs."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from fer_core.pixels.parallel import ordered_map

__all__ = ["close_pairs", "hamming_pairs"]

_HASH_BITS = 64
_BLOCK = 1 << 16  # hashes that are sorted at a time: what a processor's cache holds
_TILE = 1 << 17  # pairs that are compared at a time, for the same reason
_NARROW = 2  # power of two of partners that are compared at a time at least
_STEPS, _DENSE = 256, 0.4  # so many next ones are compared of all, if this share has as many
_MANY = 1 << 23, 1 << 26  # hashes from which on one more band in common is asked for
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # multiplying by it spreads a key over the highest bits


def hamming_pairs(hashes: np.ndarray, bits: int) -> np.ndarray:
    """All pairs of 64-bit hashes that differ in at most `bits` bits.

    Args:
        hashes: uint64 [N].
        bits: 0 to 16.

    Returns:
        int64 [P, 2], each pair once, the smaller index first, in ascending order.
    """
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *close_pairs(hashes, bits)])
    return pairs[np.lexsort(pairs.T[::-1])]


def close_pairs(hashes: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """The pairs of `hamming_pairs` in parts, so that they need not all be in memory.

    The hash is cut into `bits + k` bands. Differing bits touch at most `bits` of them, so k bands
    agree in full: it is enough to compare hashes that share k bands (pigeonhole), which are found
    by sorting. A greater k means more sorting and fewer vain comparisons. A pair is given out only
    where the k bands are the first ones that it shares, hence once.

    Args:
        hashes: uint64 [N].
        bits: 0 to 16.

    Yields:
        int64 [P, 2], the smaller index first; the same parts on any number of threads.
    """
    shared = 2 if bits <= 5 else 3 + sum(len(hashes) >= many for many in _MANY)
    edges = np.linspace(0, _HASH_BITS, bits + shared + 1).astype(int)
    bands = [np.uint64((1 << int(high)) - (1 << int(low))) for low, high in pairwise(edges)]
    dealt = _dealt(hashes, len(bands))
    for first in range(bits + 1):
        rest = list(combinations(range(first + 1, len(bands)), shared - 1))
        chosen = [(first, *others) for others in rest]

        def search(members: np.ndarray, chosen: list[tuple[int, ...]] = chosen) -> np.ndarray:
            mine = dealt[members]
            found = [_sharing(mine, bands, which, bits) for which in chosen]
            return np.sort(members[np.concatenate(found)], axis=1)

        yield from ordered_map(search, _blocks(dealt & bands[first]))


def _dealt(hashes: np.ndarray, bands: int) -> np.ndarray:
    """The hashes with their bits in another order: those that tell most hashes apart are dealt out
    to the bands in turn, so that no band is of little use.
    """
    ones = np.array([((hashes >> np.uint64(bit)) & np.uint64(1)).sum() for bit in range(64)])
    useful = np.argsort(np.abs(2 * ones - len(hashes)), kind="stable")
    dealt = np.zeros_like(hashes)
    for place, bit in enumerate(np.concatenate([useful[band::bands] for band in range(bands)])):
        dealt |= ((hashes >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
    return dealt


def _blocks(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of hashes with equal keys, int64, several keys at a time where few hashes have one.

    Args:
        keys: uint64 [N], one band of the hashes.
    """
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order], append=keys[order[-1:]] + np.uint64(1))) + 1
    start = 0
    for end in ends.tolist():
        if end - start >= _BLOCK or end == len(keys):
            yield order[start:end]
            start = end


def _sharing(
    hashes: np.ndarray, bands: list[np.uint64], which: tuple[int, ...], bits: int
) -> np.ndarray:
    """Pairs, int64 [P, 2], that share these bands, no others before the last of them, and differ
    in at most `bits` bits.
    """
    mask = np.bitwise_or.reduce([bands[band] for band in which])
    keys = (((hashes & mask) * _SPREAD) >> np.uint64(48)).astype(np.uint16)
    order = np.argsort(keys, kind="stable")
    keys, hashes = keys[order], hashes[order]
    ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]) + 1, len(keys))
    ends = np.repeat(ends, np.diff(ends, prepend=0))
    partners = ends - np.arange(1, len(keys) + 1)  # how many come after it with the same key
    pairs = np.concatenate(list(_close(hashes, partners, bits)))
    differing = hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]
    chosen = np.flatnonzero((differing & mask) == 0)
    for band in range(which[-1]):
        if band not in which:
            chosen = chosen[(differing[chosen] & bands[band]) != 0]
    return order[pairs[chosen]]


def _close(hashes: np.ndarray, partners: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """Pairs, int64 [P, 2] in parts, of every hash with its partners, the next ones, where they
    differ in at most `bits` bits; some pairs with hashes beyond these may be among them.
    """
    yield np.empty((0, 2), dtype=np.int64)
    many = np.cumsum(np.bincount(np.minimum(partners, _STEPS))[::-1])[::-1][1:]
    steps = int((many > _DENSE * len(hashes)).sum())
    for step in range(1, steps + 1):  # where many have partners, all are compared: no copies
        one = np.flatnonzero(np.bitwise_count(hashes[step:] ^ hashes[:-step]) <= bits)
        yield np.stack([one, one + step], axis=1)
    left_over = np.maximum(partners - steps, 0)
    width = np.maximum(np.frexp(np.maximum(left_over - 1, 0).astype(np.float32))[1], _NARROW)
    width = np.where(left_over > 0, width, 0).astype(np.uint8)
    by_width = np.argsort(width, kind="stable")
    cuts = np.cumsum(np.bincount(width)).tolist()
    beyond = np.zeros(steps + (1 << (len(cuts) - 1)), dtype=np.uint64)
    padded = np.concatenate([hashes, beyond])
    for power, (low, high) in enumerate(pairwise(cuts), start=1):
        windows = np.lib.stride_tricks.sliding_window_view(padded, 1 << power)
        rows = max(_TILE >> power, 1)
        for start in range(low, high, rows):
            left = by_width[start : min(start + rows, high)]
            differing = windows[left + 1 + steps] ^ padded[left, None]
            close = np.flatnonzero(np.bitwise_count(differing) <= bits)
            one = left[close >> power]
            two = one + 1 + steps + (close & ((1 << power) - 1))
            inside = two < len(hashes)
            yield np.stack([one[inside], two[inside]], axis=1)
