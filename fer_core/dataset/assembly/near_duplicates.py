"""Twins: faces that show the same picture, pixel for pixel (exact) or almost (near).

Exact twins share `pixel_sha256`. Near twins have perceptual hashes within a few bits of each other
*and* grey thumbnails that correlate *and* that differ nowhere in the face (`local_differences.py`);
the hash finds the candidates without comparing all pairs (`hamming.py`), a bound on the correlation
drops most of those that are alike by chance (`sketches.py`), the thumbnails settle the others.
Pictures of one person with several expressions are no twins: pairs of one data set with different
labels have to be more alike, and those of one group (a person, a photo) are none unless equal. On
request a picture is looked up mirrored as well.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fer_core.dataset.assembly.hamming import close_pairs
from fer_core.dataset.assembly.local_differences import (
    MOST_OTHER_LABEL,
    MOST_SAME_LABEL,
    local_difference,
)
from fer_core.dataset.assembly.sketches import Sketches
from fer_core.dataset.store.imagehash import THUMBNAIL, phash
from fer_core.pixels.parallel import ordered_map

__all__ = ["Thumbnails", "Twins", "correlations", "find_twins", "union"]

log = logging.getLogger(__name__)

Thumbnails = Callable[[np.ndarray], np.ndarray]
"""Gives the grey thumbnails, uint8 [n, THUMBNAIL * THUMBNAIL], of faces by their indices, int64
[n].
"""

_CHUNK = 8192  # pairs compared at a time: 16 MB of thumbnails, 64 MB of int32
_SMALL_CHUNK = 512  # pairs searched for local differences at a time: 38 MB of float64


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
    thumbnails: Thumbnails,
    bits: int,
    correlation: float,
    *,
    mirrored: bool = False,
) -> Twins:
    """Exact and near twins among faces.

    A picture that several faces share is compared once. Faces with a `flag` (blank frames and other
    non-faces) have exact twins only: the perceptual hash of a flat picture says nothing.

    Args:
        faces: columns `pixel_sha256` (or any other values that are equal for equal pixels), `phash`
            (uint64), `flag`, `label`, `source`, `group`; any index, any order.
        thumbnails: gives thumbnails by the place of the face.
        bits: greatest Hamming distance of two candidates; 0 looks for exact twins only.
        correlation: least normalised correlation of two thumbnails for near twins.
        mirrored: look up the mirrored pictures too, with the same thresholds.
    """
    exact, uniques = pd.factorize(faces["pixel_sha256"])
    exact = exact.astype(np.int64)
    if bits == 0 or len(uniques) == 0:
        return Twins(exact, exact, 0, 0, 0)
    first = np.full(len(uniques), len(faces), dtype=np.int64)
    np.minimum.at(first, exact, np.arange(len(faces)))
    shown = first[
        (faces["flag"] == "").to_numpy(dtype=bool)[first]
    ]  # one face for each distinct picture that shows a face
    hashes = faces["phash"].to_numpy(dtype=np.uint64)[shown]
    search = _Search(shown, thumbnails, correlation, _bars(faces))
    candidates, confirmed = search.near(close_pairs(hashes, bits))
    log.info("%d faces, %d distinct pictures", len(faces), len(uniques))
    reflected = confirmed[:0]
    if mirrored:
        both = close_pairs(np.concatenate([hashes, search.mirrored_hashes()]), bits)
        _, reflected = search.near(_crossing(both, len(shown)), mirrored=True)
    links = np.concatenate([confirmed, reflected])
    return Twins(
        exact, union(len(uniques), exact[links])[exact], candidates, len(confirmed), len(reflected)
    )


class _Search:
    """Settles which pairs of distinct pictures are near twins.

    Args:
        shown: one face for each distinct picture, int64 [N], ascending.
        thumbnails: as in `find_twins`, as is `correlation`.
        bar: greatest local difference of each pair of faces.
    """

    def __init__(
        self,
        shown: np.ndarray,
        thumbnails: Thumbnails,
        correlation: float,
        bar: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self._shown, self._look, self._bar = shown, thumbnails, bar
        self._correlation = correlation
        self._sketches = Sketches(len(shown), lambda numbers: thumbnails(shown[numbers]))

    def near(
        self, parts: Iterable[np.ndarray], *, mirrored: bool = False
    ) -> tuple[int, np.ndarray]:
        """How many candidates there are, and which are near twins: pairs of faces, int64 [P, 2], in
        ascending order.

        Args:
            parts: candidates, pairs of pictures, int64 [P, 2] each.
            mirrored: the second picture is mirrored.
        """
        seen, codes = 0, [np.empty(0, dtype=np.int64)]
        for part in parts:
            seen += len(part)
            alike = part[self._sketches.bounds(part, mirrored=mirrored) >= self._correlation]
            codes.append(alike[:, 0] * len(self._shown) + alike[:, 1])
        left = np.unique(np.concatenate(codes))
        correlating, confirmed = 0, [np.empty((0, 2), dtype=np.int64)]
        for count, pairs in ordered_map(
            lambda start: self._confirmed(left[start : start + _CHUNK], mirrored),
            range(0, len(left), _CHUNK),
        ):
            correlating += count
            confirmed.append(pairs)
        found = np.concatenate(confirmed)
        log.info(
            "%d candidate pairs%s, %d of them compared, %d near twins; %d alike but for a part of "
            "the face",
            seen,
            " with one picture mirrored" if mirrored else "",
            len(left),
            len(found),
            correlating - len(found),
        )
        return seen, found

    def _confirmed(self, codes: np.ndarray, mirrored: bool) -> tuple[int, np.ndarray]:
        """How many of some pairs correlate, and those that are near twins."""
        pairs = self._shown[np.stack(np.divmod(codes, len(self._shown)), axis=1)]
        one, other = _sides(pairs, self._look, mirrored=mirrored)
        alike = np.flatnonzero(_pearson(one, other) >= self._correlation)
        starts = range(0, len(alike), _SMALL_CHUNK)
        chosen = (alike[start : start + _SMALL_CHUNK] for start in starts)
        differences = [local_difference(one[some], other[some]) for some in chosen]
        pairs = pairs[alike]
        near = np.concatenate([np.empty(0), *differences]) <= self._bar(pairs)
        return len(alike), pairs[near]

    def mirrored_hashes(self) -> np.ndarray:
        """Perceptual hashes of the mirrored pictures, uint64 [N]."""

        def hashed(start: int) -> list[int]:
            small = self._look(self._shown[start : start + _CHUNK])
            turned = small.reshape(-1, THUMBNAIL, THUMBNAIL)[:, :, ::-1]
            return [phash(np.ascontiguousarray(picture)) for picture in turned]

        parts = ordered_map(hashed, range(0, len(self._shown), _CHUNK))
        return np.array([value for part in parts for value in part], dtype=np.uint64)


def _crossing(parts: Iterable[np.ndarray], known: int) -> Iterable[np.ndarray]:
    """Pairs of one picture with another, mirrored one, out of pairs among all `known` pictures and,
    behind them, their mirrored ones.
    """
    for part in parts:
        crossing = part[(part[:, 0] < known) & (part[:, 1] >= known)] - [0, known]
        yield np.sort(crossing[crossing[:, 0] != crossing[:, 1]], axis=1)


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


def correlations(pairs: np.ndarray, thumbnails: Thumbnails) -> np.ndarray:
    """Pearson correlation of the two thumbnails of every pair, float64 [P]; 0 where one of them is
    flat.

    Args:
        pairs: int64 [P, 2], indices that `thumbnails` understands.
        thumbnails: as in `find_twins`.
    """
    parts = (pairs[start : start + _CHUNK] for start in range(0, len(pairs), _CHUNK))
    found = ordered_map(lambda part: _pearson(*_sides(part, thumbnails)), parts)
    return np.concatenate([np.empty(0), *found])


def _sides(
    pairs: np.ndarray, thumbnails: Thumbnails, *, mirrored: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Thumbnails of the first and of the second of every pair, uint8 [P, pixels] each; the second
    ones mirrored on request. Each is asked for once.
    """
    used, place = np.unique(pairs, return_inverse=True)
    place = place.reshape(pairs.shape)
    looked_up = thumbnails(used) if len(used) else np.empty((0, THUMBNAIL**2), dtype=np.uint8)
    other = looked_up[place[:, 1]]
    if mirrored:
        other = np.ascontiguousarray(other.reshape(-1, THUMBNAIL, THUMBNAIL)[:, :, ::-1])
    return looked_up[place[:, 0]], other.reshape(len(pairs), -1)


def _pearson(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson correlation of uint8 [P, K] with uint8 [P, K], row by row; sums are exact, so every
    machine gets the same.
    """
    one, other = one.astype(np.int32), other.astype(np.int32)

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
