"""Twins are found, and only twins."""

from itertools import combinations

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.dataset.assembly.local_differences import local_difference
from fer_core.dataset.assembly.near_duplicates import Thumbnails, correlations, find_twins, union
from fer_core.dataset.store.imagehash import THUMBNAIL, phash, thumbnail
from fer_core.sample.camera import sample_camera, sample_light
from fer_core.sample.expression import Expression, action_units
from fer_core.sample.identity import sample_identity
from fer_core.sample.portrait import Sitter, background, draw_sitter


def faces(sha: list[str], phash: list[int], flag: list[str] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "pixel_sha256": sha,
            "phash": np.array(phash, dtype=np.uint64),
            "flag": flag or [""] * len(sha),
            "label": 3,
            "source": "set",
            "group": sha,
        }
    )


def small(pictures: list[np.ndarray]) -> Thumbnails:
    """Thumbnails by index."""
    return lambda indices: np.stack([thumbnail(pictures[index]).ravel() for index in indices])


def picture(seed: int) -> np.ndarray:
    return cv2.GaussianBlur(
        np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8), (9, 9), 3
    )


def test_correlation_is_pearsons_of_the_thumbnails() -> None:
    pictures = [picture(0), picture(1), 255 - picture(0)]
    pairs = np.array([[0, 1], [0, 2], [0, 0]])
    expected = [
        np.corrcoef(
            *(
                cv2.resize(
                    pictures[i], (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA
                ).ravel()
                for i in pair
            )
        )[0, 1]
        for pair in pairs
    ]
    np.testing.assert_allclose(correlations(pairs, small(pictures)), expected, atol=1e-12)


def test_correlation_with_a_flat_picture_is_zero() -> None:
    pictures = [np.full((48, 48), 7, np.uint8), picture(0)]
    assert correlations(np.array([[0, 1], [0, 0]]), small(pictures)).tolist() == [0, 0]


def test_colour_and_grey_copies_of_a_picture_correlate() -> None:
    grey = picture(3)
    pictures = [grey, cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)]
    assert correlations(np.array([[0, 1]]), small(pictures)) == pytest.approx([1])


def test_close_hashes_need_the_thumbnails_to_agree() -> None:
    pictures = [
        picture(0),
        np.clip(picture(0).astype(int) + 3, 0, 255).astype(np.uint8),
        picture(9),
    ]
    twins = find_twins(faces(["a", "b", "c"], [0, 1, 2]), small(pictures), 4, 0.98)
    assert twins.cluster[0] == twins.cluster[1] != twins.cluster[2]
    assert (twins.candidates, twins.near_pairs) == (3, 1)
    assert len(set(twins.exact)) == 3


def test_near_twins_are_transitive_and_bring_their_exact_twins() -> None:
    pictures = [picture(0)] * 4
    twins = find_twins(
        faces(["a", "b", "c", "a"], [0, 0b1111, 0b11111111, 0]), small(pictures), 4, 0.98
    )
    assert len(set(twins.cluster)) == 1
    assert twins.exact[0] == twins.exact[3] != twins.exact[1]


def test_zero_bits_means_exact_twins_only_and_looks_at_nothing() -> None:
    def refuse(indices: np.ndarray) -> np.ndarray:
        raise AssertionError(f"asked for {indices}")

    twins = find_twins(faces(["a", "b", "a"], [0, 0, 0]), refuse, 0, 0.9)
    assert twins.cluster[0] == twins.cluster[2] != twins.cluster[1]


def test_a_picture_without_candidates_is_not_looked_at() -> None:
    asked: list[int] = []

    def look(indices: np.ndarray) -> np.ndarray:
        asked.extend(indices.tolist())
        return np.stack([thumbnail(picture(0)).ravel()] * len(indices))

    find_twins(faces(["a", "b", "c", "a"], [0, 1, 2**64 - 1, 0]), look, 4, 0.9)
    assert set(asked) == {0, 1}


def test_non_faces_have_exact_twins_only() -> None:
    twins = find_twins(
        faces(["a", "b", "a"], [0, 0, 0], ["blank", "blank", "blank"]),
        small([picture(0)] * 8),
        4,
        0.9,
    )
    assert twins.cluster[0] == twins.cluster[2] != twins.cluster[1]


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(8)))
def test_clusters_do_not_depend_on_row_order(order: list[int]) -> None:
    table = faces(list("abcadefb"), [0, 1, 2**40, 0, 0xFFFF << 40, (0xFFFF << 40) + 1, 3, 1])
    twins = find_twins(table.iloc[order], small([picture(0)] * 8), 4, 0.9)
    clusters = {
        frozenset(np.array(order)[twins.cluster == number].tolist())
        for number in set(twins.cluster)
    }
    assert clusters == {frozenset({0, 1, 3, 6, 7, 2}), frozenset({4, 5})}


def test_union_joins_what_is_linked() -> None:
    component = union(5, np.array([[0, 3], [3, 4]]))
    assert component[0] == component[3] == component[4]
    assert len({component[0], component[1], component[2]}) == 3


def test_no_faces_have_no_twins() -> None:
    twins = find_twins(faces([], []), small([]), 4, 0.9)
    assert len(twins.cluster) == 0


def hashed(pictures: list[np.ndarray]) -> pd.DataFrame:
    return faces(
        [str(number) for number in range(len(pictures))],
        [phash(thumbnail(image)) for image in pictures],
    )


def test_a_mirrored_copy_is_a_twin_only_where_it_is_asked_for() -> None:
    again = cv2.imdecode(cv2.imencode(".jpg", picture(0)[:, ::-1])[1], cv2.IMREAD_GRAYSCALE)
    pictures = [picture(1), picture(0), again, picture(2), again[:, ::-1]]
    with_option = find_twins(hashed(pictures), small(pictures), 8, 0.95, mirrored=True)
    assert with_option.cluster[1] == with_option.cluster[2] == with_option.cluster[4]
    assert len(set(with_option.cluster)) == 3
    assert with_option.mirrored_pairs == 2
    without = find_twins(hashed(pictures), small(pictures), 8, 0.95)
    assert without.cluster[1] != without.cluster[2] and without.mirrored_pairs == 0


def test_a_picture_that_is_its_own_mirror_image_is_nobodys_twin_for_that() -> None:
    symmetric = np.hstack([picture(0), picture(0)[:, ::-1]])
    pictures = [symmetric, picture(1)]
    twins = find_twins(hashed(pictures), small(pictures), 8, 0.95, mirrored=True)
    assert len(set(twins.cluster)) == 2 and twins.mirrored_pairs == 0


def drawn_person(seed: int, emotion: int, take: int) -> np.ndarray:
    """One person before one wall with an expression, as a camera with noise sees it."""
    rng = np.random.default_rng(seed)
    person, light, wall = sample_identity(rng), sample_light(rng), background(rng, 192, 192)
    camera = sample_camera(rng, 96, 90, 91, 0.3)
    expression = Expression(emotion, 1.0, emotion, 0.0, action_units(emotion, 1.0))
    draw_sitter(wall, Sitter(person, expression, 0.0, 0.0, (0.0, 0.0)), camera, light)
    grey = cv2.cvtColor(
        cv2.resize(wall, (48, 48), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY
    )
    noise = np.random.default_rng([seed, emotion, take]).integers(-6, 7, grey.shape)
    return np.clip(grey + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_expressions_of_one_person_are_no_twins(seed: int) -> None:
    emotions = [emotion for emotion in range(7) for _ in range(3)]
    pictures = [drawn_person(seed, emotion, take) for take, emotion in enumerate(emotions)]
    found = find_twins(hashed(pictures).assign(label=emotions), small(pictures), 8, 0.95)
    groups = pd.Series(emotions).groupby(found.cluster)
    assert groups.nunique().max() == 1 and groups.ngroups == 7


def texture(label: int, seed: int) -> np.ndarray:
    """One texture with a mouth that its label shapes, and noise of a camera."""
    image = 3 * (picture(0).astype(int) - 128) + 128
    image[33:37, 14 + 2 * label : 20 + 2 * label] += 60
    return np.clip(image + np.random.default_rng(seed).integers(-6, 7, image.shape), 0, 255).astype(
        np.uint8
    )


def test_a_changed_mouth_is_no_changed_copy() -> None:
    labels = np.repeat(np.arange(7), 8)
    pictures = [texture(label, seed) for seed, label in enumerate(labels.tolist())]
    pairs = np.array(list(combinations(range(len(pictures)), 2)))
    assert (correlations(pairs, small(pictures)) >= 0.95).mean() > 0.9, "alike as twins are"
    found = find_twins(hashed(pictures).assign(label=labels), small(pictures), 8, 0.95)
    assert pd.Series(labels).groupby(found.cluster).nunique().max() == 1


def test_pairs_of_one_person_with_two_labels_are_twins_only_if_equal() -> None:
    again = cv2.imdecode(cv2.imencode(".jpg", picture(0))[1], cv2.IMREAD_GRAYSCALE)
    pictures = [picture(0), again, again]
    table = hashed(pictures).assign(label=[3, 4, 3])
    assert len(set(find_twins(table, small(pictures), 8, 0.95).cluster)) == 1
    table["group"] = "a person"
    cluster = find_twins(table.iloc[:2], small(pictures), 8, 0.95).cluster
    assert len(set(cluster)) == 2
    table["source"] = ["one", "other", "one"]
    assert len(set(find_twins(table.iloc[:2], small(pictures), 8, 0.95).cluster)) == 1


def test_usual_changes_leave_no_local_difference_and_a_moved_part_does() -> None:
    images = [picture(seed) for seed in range(20)]
    turned = cv2.getRotationMatrix2D((23.5, 23.5), 2, 1.02)
    turned[0, 2] += 0.7
    copies = [
        cv2.warpAffine(image, turned, (48, 48), borderMode=cv2.BORDER_REPLICATE) * 0.8 + 20
        for image in images
    ]
    one, other = (
        np.array([thumbnail(image.astype(np.uint8)).ravel() for image in some])
        for some in (images, copies)
    )
    assert local_difference(one, other).max() < 0.35
    patched = other.reshape(-1, 32, 32).copy()
    patched[:, 22:26, 12:20] = 255 - patched[:, 22:26, 12:20]
    assert np.median(local_difference(one, patched.reshape(len(one), -1))) > 0.35


def family(rng: np.random.Generator, copies: int) -> list[np.ndarray]:
    """A picture and copies that differ from it more and more, some of them mirrored."""
    image = picture(int(rng.integers(1000))).astype(float)
    found = [
        image * rng.uniform(0.6, 1.1) + rng.normal(0, strength, image.shape)
        for strength in np.linspace(0.5, 30, copies)
    ]
    turned = [copy[:, ::-1] if rng.random() < 0.3 else copy for copy in found]
    return [np.clip(copy, 0, 255).astype(np.uint8) for copy in turned]


def all_pairs(
    table: pd.DataFrame, smalls: np.ndarray, bits: int, correlation: float, *, mirrored: bool
) -> set[frozenset[int]]:
    """Clusters of near twins by comparing every face with every other one."""
    links = np.empty((0, 2), dtype=np.int64)
    turned = np.ascontiguousarray(smalls.reshape(-1, THUMBNAIL, THUMBNAIL)[:, :, ::-1])
    for other, hashes in (
        (smalls, table["phash"].to_numpy()),
        (turned.reshape(len(smalls), -1), [phash(small) for small in turned]),
    )[: 1 + mirrored]:
        for i, j in combinations(range(len(smalls)), 2):
            near = any(
                (int(table["phash"][a]) ^ int(hashes[b])).bit_count() <= bits
                for a, b in ((i, j), (j, i))
            )
            one, two = smalls[i].astype(int), other[j].astype(int)
            n = len(one)
            spread = np.sqrt(float(n * one @ one - one.sum() ** 2)) * np.sqrt(
                float(n * two @ two - two.sum() ** 2)
            )
            found = float(n * one @ two - one.sum() * two.sum()) / spread
            if near and found >= correlation:
                bar = 0.35 if table["label"][i] == table["label"][j] else 0.15
                if local_difference(smalls[[i]], other[[j]])[0] <= bar:
                    links = np.append(links, [[i, j]], axis=0)
    cluster = union(len(smalls), links)
    return {frozenset(np.flatnonzero(cluster == c).tolist()) for c in set(cluster.tolist())}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_no_twin_is_lost_that_comparing_all_pairs_finds(seed: int, mirrored: bool) -> None:
    """Also with a threshold that is the very correlation of a pair, and the next number above."""
    rng = np.random.default_rng(seed)
    pictures = [image for _ in range(4) for image in family(rng, 8)]
    labels = rng.integers(0, 2, len(pictures))
    table = hashed(pictures).assign(label=labels)
    smalls = small(pictures)(np.arange(len(pictures)))
    some = np.array([[i, i + 1] for i in range(0, 30, 2)])
    limits = np.sort(correlations(some, small(pictures)))[-6::2]
    for limit in [0.9, *limits, *np.nextafter(limits, 2)]:
        found = find_twins(table, small(pictures), 8, min(limit, 1.0), mirrored=mirrored).cluster
        clusters = {frozenset(np.flatnonzero(found == c).tolist()) for c in set(found.tolist())}
        assert clusters == all_pairs(table, smalls, 8, min(limit, 1.0), mirrored=mirrored)
