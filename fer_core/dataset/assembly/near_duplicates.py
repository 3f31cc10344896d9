"""Twins: faces that show the same picture, pixel for pixel (exact) or almost (near).

Exact twins share `pixel_sha256`. Near twins have perceptual hashes within a few bits of each other
*and* grey thumbnails that correlate *and* that differ nowhere in the face (`local_differences.py`);
the hash finds the candidates without comparing all pairs, the thumbnails settle each one. Pictures
of one person with several expressions are no twins: pairs of one data set with different labels
have to be more alike, and those of one group (a person, a photo) are none unless equal. On
request a picture is looked up mirrored as well.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fer_core.dataset.assembly.local_differences import (
    MOST_OTHER_LABEL,
    MOST_SAME_LABEL,
    local_difference,
)
from fer_core.dataset.store.imagehash import THUMBNAIL, phash
from fer_core.pixels.parallel import ordered_map

__all__ = ["Twins", "correlations", "find_twins", "hamming_pairs", "union"]

log = logging.getLogger(__name__)

_HASH_BITS = 64
_CHUNK = 16384  # pairs correlated at a time: 128 MB of int32
_SMALL_CHUNK = 1024  # pairs searched for local differences at a time: 75 MB of float64


@dataclass(frozen=True)
class Twins:
    """Who is whose twin among N faces.

    Attributes:
        exact: int64 [N], equal numbers mean equal pixels.
        cluster: int64 [N], equal numbers mean exact or near twins, transitively.
        candidates: pairs of distinct pictures whose perceptual hashes are close.
        near_pairs: how many of these the thumbnails confirmed.
        mirrored_pairs: how many pairs of distinct pictures are near twins when one of them is
            mirrored.
    """

    exact: np.ndarray
    cluster: np.ndarray
    candidates: int
    near_pairs: int
    mirrored_pairs: int


def find_twins(
    faces: pd.DataFrame,
    thumbnail: Callable[[int], bytes],
    bits: int,
    correlation: float,
    *,
    mirrored: bool = False,
) -> Twins:
    """Exact and near twins among faces.

    A picture that several faces share is compared once. Faces with a `flag` (blank frames and other
    non-faces) have exact twins only: the perceptual hash of a flat picture says nothing.

    Args:
        faces: columns `pixel_sha256`, `phash` (uint64), `flag`, `label`, `source`, `group`; any
            index, any order.
        thumbnail: gives the bytes of the i-th face's grey thumbnail.
        bits: greatest Hamming distance of two candidates; 0 looks for exact twins only.
        correlation: least normalised correlation of two thumbnails for near twins.
        mirrored: look up the mirrored pictures too, with the same thresholds.
    """
    exact, uniques = pd.factorize(faces["pixel_sha256"].to_numpy(dtype=object))
    exact = exact.astype(np.int64)
    if bits == 0 or len(uniques) == 0:
        return Twins(exact, exact, 0, 0, 0)
    first = np.full(len(uniques), len(faces), dtype=np.int64)
    np.minimum.at(first, exact, np.arange(len(faces)))
    shown = first[
        (faces["flag"].to_numpy(dtype=object) == "")[first]
    ]  # one face for each distinct picture that shows a face
    hashes = faces["phash"].to_numpy(dtype=np.uint64)[shown]
    pairs = shown[hamming_pairs(hashes, bits)]
    bar = _bars(faces)
    alike = pairs[correlations(pairs, thumbnail) >= correlation]
    confirmed = alike[_differences(alike, thumbnail) <= bar(alike)]
    log.info(
        "%d faces, %d distinct pictures, %d candidate pairs, %d near twins; %d alike but for a "
        "part of the face",
        len(faces),
        len(uniques),
        len(pairs),
        len(confirmed),
        len(alike) - len(confirmed),
    )
    reflected = confirmed[:0]
    if mirrored:
        reflected = _mirrored_pairs(shown, hashes, thumbnail, bits, correlation, bar)
    links = np.concatenate([confirmed, reflected])
    return Twins(
        exact, union(len(uniques), exact[links])[exact], len(pairs), len(confirmed), len(reflected)
    )


def _mirrored_pairs(
    shown: np.ndarray,
    hashes: np.ndarray,
    thumbnail: Callable[[int], bytes],
    bits: int,
    correlation: float,
    bar: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Pairs of faces, int64 [P, 2], that are near twins once the second is mirrored.

    Args:
        shown: one face for each distinct picture, int64 [N].
        hashes: theirs, uint64 [N].
        thumbnail: as in `find_twins`, as are the thresholds.
        bar: greatest local difference of each pair of faces.
    """

    def look(index: int) -> bytes:
        """Thumbnail of a face; from `beyond` on, of mirrored ones."""
        if index < beyond:
            return thumbnail(index)
        return (
            np.frombuffer(thumbnail(index - beyond), dtype=np.uint8)
            .reshape(THUMBNAIL, THUMBNAIL)[:, ::-1]
            .tobytes()
        )

    beyond, known = int(shown.max(initial=0)) + 1, len(shown)
    of_mirrored = [
        phash(np.frombuffer(look(beyond + index), dtype=np.uint8).reshape(THUMBNAIL, THUMBNAIL))
        for index in shown.tolist()
    ]
    both = hamming_pairs(np.concatenate([hashes, np.array(of_mirrored, dtype=np.uint64)]), bits)
    crossing = both[(both[:, 0] < known) & (both[:, 1] >= known)] - [0, known]
    candidates = shown[
        np.unique(np.sort(crossing[crossing[:, 0] != crossing[:, 1]], axis=1), axis=0)
    ]
    alike = candidates[correlations(candidates + [0, beyond], look) >= correlation]
    confirmed = alike[_differences(alike + [0, beyond], look) <= bar(alike)]
    log.info(
        "%d candidate pairs with one picture mirrored, %d near twins",
        len(candidates),
        len(confirmed),
    )
    return confirmed


def _bars(faces: pd.DataFrame) -> Callable[[np.ndarray], np.ndarray]:
    """For pairs of faces, int64 [P, 2], the greatest local difference that near twins may have,
    float64 [P]; below 0 where only equal pictures are twins.
    """
    source, group = (pd.factorize(faces[name])[0] for name in ("source", "group"))
    label = faces["label"].to_numpy()

    def bar(pairs: np.ndarray) -> np.ndarray:
        one, other = pairs.T
        at_odds = (label[one] != label[other]) & (source[one] == source[other])
        of_one_group = at_odds & (group[one] == group[other])
        return np.where(of_one_group, -1.0, np.where(at_odds, MOST_OTHER_LABEL, MOST_SAME_LABEL))

    return bar


def hamming_pairs(hashes: np.ndarray, bits: int) -> np.ndarray:
    """All pairs of 64-bit hashes that differ in at most `bits` bits.

    The hash is cut into `bits + k` bands. Differing bits touch at most `bits` of them, so k bands
    agree in full: it is enough to compare hashes that share k bands (pigeonhole), which are found
    by sorting. A greater k means fewer bits in a band, more sorting and fewer vain comparisons.

    Args:
        hashes: uint64 [N].
        bits: 0 to 16.

    Returns:
        int64 [P, 2], each pair once, the smaller index first, in ascending order.
    """
    shared = 2 if bits <= 5 else 3
    edges = np.linspace(0, _HASH_BITS, bits + shared + 1).astype(int)
    bands = [np.uint64((1 << int(high)) - (1 << int(low))) for low, high in pairwise(edges)]
    masks = [np.bitwise_or.reduce(chosen) for chosen in combinations(bands, shared)]
    found = [_pairs_with_equal_key(hashes & mask, hashes, bits) for mask in masks]
    pairs = np.concatenate(found)
    pairs.sort(axis=1)
    codes = np.unique(pairs[:, 0] * len(hashes) + pairs[:, 1])
    return np.stack(np.divmod(codes, max(len(hashes), 1)), axis=1)


def _pairs_with_equal_key(keys: np.ndarray, hashes: np.ndarray, bits: int) -> np.ndarray:
    """Pairs, int64 [P, 2], of entries whose keys are equal and whose hashes differ in at most
    `bits` bits.
    """
    order = np.argsort(keys, kind="stable")
    keys, hashes = keys[order], hashes[order]
    found = [np.empty((0, 2), dtype=np.int64)]
    left = np.arange(len(keys) - 1)
    for offset in range(1, len(keys)):
        left = left[left + offset < len(keys)]
        left = left[keys[left] == keys[left + offset]]
        if len(left) == 0:
            break
        close = left[np.bitwise_count(hashes[left] ^ hashes[left + offset]) <= bits]
        found.append(np.stack([order[close], order[close + offset]], axis=1))
    return np.concatenate(found)


def correlations(pairs: np.ndarray, thumbnail: Callable[[int], bytes]) -> np.ndarray:
    """Pearson correlation of the two thumbnails of every pair, float64 [P]; 0 where one of them is
    flat.

    Args:
        pairs: int64 [P, 2], indices that `thumbnail` understands; it is asked once for each.
        thumbnail: as in `find_twins`.
    """
    return _by_thumbnails(
        pairs,
        thumbnail,
        lambda one, other: _pearson(one.astype(np.int32), other.astype(np.int32)),
        _CHUNK,
    )


def _differences(pairs: np.ndarray, thumbnail: Callable[[int], bytes]) -> np.ndarray:
    """Local difference of the two thumbnails of every pair, float64 [P]."""
    return _by_thumbnails(pairs, thumbnail, local_difference, _SMALL_CHUNK)


def _by_thumbnails(
    pairs: np.ndarray,
    thumbnail: Callable[[int], bytes],
    compare: Callable[[np.ndarray, np.ndarray], np.ndarray],
    chunk: int,
) -> np.ndarray:
    """What `compare` says of the thumbnails, uint8 [n, pixels], of every pair, by chunks."""
    used, place = np.unique(pairs, return_inverse=True)
    place = place.reshape(pairs.shape)
    thumbnails = np.empty((len(used), THUMBNAIL * THUMBNAIL), dtype=np.uint8)
    for slot, index in enumerate(used.tolist()):
        thumbnails[slot] = np.frombuffer(thumbnail(index), dtype=np.uint8)
    starts = range(0, len(pairs), chunk)
    found = ordered_map(lambda at: compare(*thumbnails[place[at : at + chunk].T]), starts)
    return np.concatenate([np.empty(0), *found])


def _pearson(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson correlation of int32 [P, K] with int32 [P, K], row by row; sums are exact, so every
    machine gets the same.
    """

    def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        products = np.einsum("pk,pk->p", a, b).astype(np.int64)
        return (
            a.shape[1] * products - a.sum(axis=1, dtype=np.int64) * b.sum(axis=1, dtype=np.int64)
        ).astype(np.float64)

    spread = np.sqrt(covariance(one, one)) * np.sqrt(covariance(other, other))
    return np.divide(covariance(one, other), spread, out=np.zeros(len(one)), where=spread > 0)


def union(n: int, links: np.ndarray) -> np.ndarray:
    """Connected components of n things under links int64 [P, 2]: int64 [n], equal numbers for
    connected things.
    """
    graph = coo_array(
        (np.ones(len(links), dtype=np.int8), (links[:, 0], links[:, 1])), shape=(n, n)
    )
    return connected_components(graph, directed=False)[1].astype(np.int64)
