"""Close hashes: exactly the pairs that brute force finds, each once, however they crowd."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.dataset.assembly import hamming
from fer_core.dataset.assembly.hamming import close_pairs, hamming_pairs


def brute_force(hashes: np.ndarray, bits: int) -> list[list[int]]:
    close = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= bits
    return np.argwhere(np.triu(close, 1)).tolist()


@st.composite
def clumped_hashes(draw: st.DrawFn) -> list[int]:
    """Hashes around a few centres, so that many lie within a few bits of each other, wherever those
    bits are.
    """
    centres = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3))
    flips = st.lists(st.integers(0, 63), max_size=8)
    return [
        draw(st.sampled_from(centres)) ^ sum(1 << bit for bit in set(draw(flips)))
        for _ in range(draw(st.integers(0, 25)))
    ]


@settings(max_examples=200, deadline=None)
@given(clumped_hashes(), st.integers(0, 7))
def test_exactly_the_pairs_that_brute_force_finds(hashes: list[int], bits: int) -> None:
    array = np.array(hashes, dtype=np.uint64)
    assert hamming_pairs(array, bits).tolist() == brute_force(array, bits)


@pytest.fixture(params=["whole", "cut"])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a few hashes, and as for millions: blocks, tiles and one more band in common."""
    if request.param == "cut":
        monkeypatch.setattr(hamming, "_BLOCK", 100)
        monkeypatch.setattr(hamming, "_TILE", 64)
        monkeypatch.setattr(hamming, "_MANY", (100, 1000))


def crowds() -> Iterator[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    centre = rng.integers(0, 2**64, dtype=np.uint64)
    flipped = np.array([1 << bit for bit in range(64)], dtype=np.uint64)

    def around(most: int, count: int) -> np.ndarray:
        chosen = [
            rng.choice(flipped, rng.integers(0, most + 1), replace=False) for _ in range(count)
        ]
        return np.array([centre ^ np.bitwise_or.reduce(bits, initial=0) for bits in chosen])

    yield "none", np.empty(0, dtype=np.uint64)
    yield "one", np.array([centre])
    yield "all equal", np.full(150, centre)
    yield "none and all bits", np.array([0, 2**64 - 1, 0, 2**64 - 1], dtype=np.uint64)
    yield "within 4 bits of one, so within 8 of each other", around(4, 200).astype(np.uint64)
    yield "at the limit and beyond", around(9, 300).astype(np.uint64)
    low = rng.integers(0, 2**12, 400, dtype=np.uint64)
    yield "differing in a few bits only", centre ^ (low << np.uint64(26))
    yield "far apart", rng.integers(0, 2**64, 300, dtype=np.uint64)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize(
    "hashes", [hashes for _, hashes in crowds()], ids=[name for name, _ in crowds()]
)
@pytest.mark.parametrize("bits", [0, 5, 8])
def test_crowds_of_hashes_and_their_limits(hashes: np.ndarray, bits: int) -> None:
    assert hamming_pairs(hashes, bits).tolist() == brute_force(hashes, bits)


def test_the_greatest_distance_that_parameters_allow() -> None:
    hashes = dict(crowds())["at the limit and beyond"][:60]
    assert hamming_pairs(hashes, 16).tolist() == brute_force(hashes, 16)


def test_every_pair_comes_once_and_the_smaller_index_first() -> None:
    hashes = np.arange(300, dtype=np.uint64)
    pairs = np.concatenate(list(close_pairs(hashes, 8)))
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs) == len(brute_force(hashes, 8))
