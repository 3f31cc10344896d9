"""The bound never falls below the correlation, whatever the thumbnails, and is near it for faces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.dataset.assembly.near_duplicates import correlations
from fer_core.dataset.assembly.sketches import Sketches
from fer_core.dataset.store.imagehash import THUMBNAIL

PIXELS = THUMBNAIL**2


def wave(down: int, right: int) -> np.ndarray:
    at = (2 * np.arange(THUMBNAIL) + 1) * np.pi / (2 * THUMBNAIL)
    return np.outer(np.cos(down * at), np.cos(right * at)).ravel()


@st.composite
def thumbnails(draw: st.DrawFn) -> np.ndarray:
    """Pairs at the limits: flat, nearly flat, bright, dark, one frequency, noise, small changes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level = draw(st.sampled_from([0, 3, 128, 252, 255]))
    down, right = draw(st.tuples(st.integers(0, 8), st.integers(0, 31)))
    size = draw(st.sampled_from([0.0, 0.6, 2.0, 60.0, 200.0]))
    one = (
        level + size * wave(down, right) + rng.normal(0, draw(st.sampled_from([0, 0.3, 9])), PIXELS)
    )
    other = one * draw(st.sampled_from([1.0, 0.5, -1.0])) + rng.normal(
        0, draw(st.sampled_from([0, 0.2, 2, 80])), PIXELS
    )
    pair = np.stack([one, other if draw(st.booleans()) else rng.permutation(other)])
    return np.clip(np.rint(pair), 0, 255).astype(np.uint8)


def both(pair: np.ndarray, *, mirrored: bool = False) -> tuple[float, float]:
    """The bound, and the correlation that it is to bound."""
    numbers = np.array([[0, 1]])
    bound = Sketches(2, lambda asked: pair[asked]).bounds(numbers, mirrored=mirrored)
    if mirrored:
        turned = pair[1].reshape(THUMBNAIL, THUMBNAIL)[:, ::-1].ravel()
        pair = np.stack([pair[0], turned])
    return float(bound[0]), float(correlations(numbers, lambda asked: pair[asked])[0])


@settings(max_examples=400, deadline=None)
@given(thumbnails(), st.booleans())
def test_no_pair_correlates_more_than_its_bound(pair: np.ndarray, mirrored: bool) -> None:
    bound, correlation = both(pair, mirrored=mirrored)
    assert bound >= correlation


@pytest.mark.parametrize("level", [0, 128, 254])
def test_one_pixel_of_one_level_is_a_picture_too(level: int) -> None:
    pair = np.full((2, PIXELS), level, dtype=np.uint8)
    pair[:, 77] += 1
    bound, correlation = both(pair)
    assert correlation == pytest.approx(1) and bound >= correlation


def test_pictures_of_low_frequencies_have_a_bound_near_their_correlation() -> None:
    pair = np.stack(
        [120 + 60 * wave(0, 2) + 30 * wave(1, 0), 120 + 60 * wave(0, 2) - 30 * wave(3, 1)]
    )
    bound, correlation = both(np.rint(pair).astype(np.uint8))
    assert correlation < bound < correlation + 0.02


def test_a_flat_picture_is_dropped_and_every_thumbnail_is_asked_for_once() -> None:
    asked: list[int] = []
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (5, PIXELS), dtype=np.uint8)
    pictures[4] = 7

    def look(numbers: np.ndarray) -> np.ndarray:
        asked.extend(numbers.tolist())
        return pictures[numbers]

    sketches = Sketches(5, look)
    assert sketches.bounds(np.array([[3, 1], [1, 4]]))[1] < 0.01
    sketches.bounds(np.array([[1, 3], [0, 3]]))
    assert asked == [1, 3, 4, 0]
