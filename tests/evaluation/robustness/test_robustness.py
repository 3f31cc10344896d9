"""Corruptions: what they do to a face, on what they depend, and what is measured under them."""

import threading

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, rotate

from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.robustness.corruptions import (
    CORRUPTIONS,
    STRENGTHS,
    Corruption,
    corrupt,
    shows_nothing,
)
from fer_core.evaluation.robustness.robustness import (
    Faces,
    RobustnessOptions,
    choose_rows,
    measure_robustness,
)

EVALUATION = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")


def face(number: int, size: int = 64) -> np.ndarray:
    noise = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 4) * np.uint8(1)


def stretched(number: int, size: int = 64) -> np.ndarray:
    """Of full contrast."""
    return cv2.normalize(face(number, size), None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("size", [(64, 64), (48, 57)])
def test_every_corruption_keeps_the_shape_and_gets_stronger(
    corruption: Corruption, size: tuple[int, int]
) -> None:
    image = cv2.resize(stretched(1), size[::-1])
    before = image.copy()
    made = [corrupt(image, corruption, strength, 7, "a/1") for strength in STRENGTHS]
    np.testing.assert_array_equal(image, before)
    distance = [np.abs(one.astype(int) - image).mean() for one in made]
    assert all(one.shape == image.shape and one.dtype == np.uint8 for one in made)
    assert 0 < distance[0] < distance[-1] and distance == sorted(distance)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_pixels_follow_from_seed_and_sample_id_alone(corruption: Corruption) -> None:
    images = {f"a/{i}": stretched(i) for i in range(6)}
    one_by_one = {i: corrupt(image, corruption, 3, 7, i) for i, image in images.items()}
    found: dict[str, np.ndarray] = {}
    threads = [
        threading.Thread(
            target=lambda i=i: found.update({i: corrupt(images[i], corruption, 3, 7, i)})
        )
        for i in reversed(images)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert all(np.array_equal(found[i], one_by_one[i]) for i in images)


def test_what_is_drawn_at_random_differs_between_faces_and_seeds() -> None:
    image = stretched(1)
    drawn = [corrupt(image, "noise", 3, seed, i) for seed, i in ((1, "a"), (2, "a"), (1, "b"))]
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


def test_blur_and_rotation_agree_with_scipy() -> None:
    image = stretched(2)
    sigma = 64 * 0.028
    expected = np.stack(
        [gaussian_filter(image[..., c].astype(float), sigma, mode="nearest") for c in range(3)], -1
    )
    assert np.abs(corrupt(image, "blur", 3, 1, "a") - expected).mean() < 1.5
    turned = corrupt(image, "rotation", 2, 1, "a")
    both = [
        rotate(image, angle, reshape=False, order=1, mode="nearest").astype(int)
        for angle in (12, -12)
    ]
    assert min(np.abs(turned - one)[8:-8, 8:-8].mean() for one in both) < 2


def test_gamma_and_low_light_follow_their_formula() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(8, axis=0)
    found = corrupt(ramp, "gamma", 2, 1, "a")[0, :, 0] / 255
    either = [(np.arange(256) / 255) ** power for power in (1.8, 1 / 1.8)]
    assert min(np.abs(found - one).max() for one in either) < 0.003
    dark = corrupt(np.full((64, 64, 3), 200, np.uint8), "low_light", 1, 1, "a")
    assert dark.mean() == pytest.approx(100, abs=1) and 1 < dark.std() < 3


def test_the_choice_of_rows_is_by_class_and_does_not_depend_on_their_order() -> None:
    rng = np.random.default_rng(0)
    labels, ids = (
        rng.choice(7, 500, p=[0.4, 0.02, 0.08, 0.2, 0.1, 0.1, 0.1]),
        [f"a/{i}" for i in range(500)],
    )
    chosen = choose_rows(ids, labels, 100, 1)
    assert len(chosen) == 100 and len(set(chosen.tolist())) == 100
    shares = np.bincount(labels[chosen], minlength=7) / 100
    assert np.abs(shares - np.bincount(labels, minlength=7) / 500).max() <= 0.011
    order = rng.permutation(500)
    again = choose_rows([ids[i] for i in order], labels[order], 100, 1)
    assert {ids[i] for i in chosen} == {ids[order[i]] for i in again}
    assert set(chosen.tolist()) != set(choose_rows(ids, labels, 100, 2).tolist())
    assert choose_rows(ids, labels, 900, 1).tolist() == list(range(500))


def by_brightness(images: list[np.ndarray]) -> np.ndarray:
    """A network that tells class c by a mean grey of 34 c + 20."""
    means = np.array([image.mean() for image in images])
    return -np.abs(means[:, None] - (34 * np.arange(7) + 20)) / 4


def grey_faces(count: int = 70) -> Faces:
    labels = np.arange(count) % 7
    grain = (stretched(3).astype(int) - 128) // 12
    images = [np.clip(34 * label + 20 + grain, 0, 255).astype(np.uint8) for label in labels]
    return Faces(images, [f"a/{i}" for i in range(count)], labels, np.arange(count))


def test_errors_are_those_of_the_network_on_corrupted_faces() -> None:
    faces = grey_faces()
    options = RobustnessOptions(rows=70, corruptions=("mask", "rotation"), strengths=(1, 5))
    found = measure_robustness(faces, by_brightness, options, EVALUATION, 1)
    assert found["clean"]["accuracy"]["value"] == 1
    errors = {
        (name, strength): np.mean(
            by_brightness(
                [
                    corrupt(image, name, strength, 1, f"a/{i}")
                    for i, image in enumerate(faces.images)
                ]
            ).argmax(1)
            != faces.labels
        )
        for name in options.corruptions
        for strength in options.strengths
    }
    for (name, strength), error in errors.items():
        cell = found["corruptions"][name][str(strength)]
        assert cell["accuracy"]["value"] == pytest.approx(1 - error, abs=1e-4)
    assert found["mce"]["value"] == pytest.approx(np.mean([*errors.values()]), abs=1e-4)
    assert found["mce_excess"] == found["mce"]
    assert found["mce"]["low"] < found["mce"]["value"] < found["mce"]["high"]
    assert found["mce_by_corruption"]["mask"]["value"] > 0.3
    assert found["corruptions"]["mask"]["5"]["ece"]["value"] > found["clean"]["ece"]["value"]


def test_the_mean_calibration_error_of_one_cell_is_that_of_the_cell() -> None:
    faces = grey_faces()
    one = RobustnessOptions(rows=70, corruptions=("mask",), strengths=(3,))
    found = measure_robustness(faces, by_brightness, one, EVALUATION, 1)
    assert found["ece_mean"] == found["corruptions"]["mask"]["3"]["ece"]
    more = RobustnessOptions(rows=70, corruptions=("mask", "rotation"), strengths=(1, 3))
    found = measure_robustness(faces, by_brightness, more, EVALUATION, 1)
    each = [v["ece"]["value"] for cells in found["corruptions"].values() for v in cells.values()]
    mean = found["ece_mean"]
    assert len(each) == 4 and mean["value"] == pytest.approx(np.mean(each), abs=1e-4)
    assert mean["low"] < mean["value"] < mean["high"]


def test_errors_on_clean_faces_are_no_excess() -> None:
    """Of 70 faces 14 have a label that the network never gives them, turned or not."""
    faces = grey_faces()
    labels = np.where(np.arange(70) < 14, (faces.labels + 1) % 7, faces.labels)
    some = Faces(faces.images, faces.sample_ids, labels, faces.clusters)
    turned, hidden = (
        measure_robustness(
            some, by_brightness, RobustnessOptions(corruptions=(name,)), EVALUATION, 1
        )
        for name in ("rotation", "mask")
    )
    assert turned["mce"]["value"] == pytest.approx(14 / 70, abs=1e-4)
    assert turned["mce_excess"] == {"value": 0, "low": 0, "high": 0}
    assert hidden["mce"]["value"] > 0.4
    assert hidden["mce_excess"]["value"] == pytest.approx(
        hidden["mce"]["value"] - 14 / 70, abs=2e-4
    )


def test_a_corruption_that_leaves_no_face_is_named_and_the_others_have_their_numbers() -> None:
    faces = grey_faces()
    even = [np.full((64, 64, 3), 90, np.uint8)] * 10
    some = Faces([*even, *faces.images[10:]], faces.sample_ids, faces.labels, faces.clusters)
    options = RobustnessOptions(rows=70, corruptions=("blur",), strengths=(1,))
    found = measure_robustness(some, by_brightness, options, EVALUATION, 1)
    assert found["corruptions"]["blur"]["1"]["unseen"]["n"] == 10
    most = Faces([*even * 5, *faces.images[50:]], faces.sample_ids, faces.labels, faces.clusters)
    found = measure_robustness(most, by_brightness, options, EVALUATION, 1)
    assert set(found["corruptions"]["blur"]["1"]) == {"n", "reason"}
    assert found["corruptions"]["blur"]["1"]["n"] == 50 and "mce" not in found
    assert shows_nothing(even[0]) and not shows_nothing(faces.images[20])


def test_a_set_without_a_class_says_so_and_has_its_numbers() -> None:
    faces = grey_faces()
    kept = np.flatnonzero(faces.labels != 1)
    fewer = Faces(
        [faces.images[i] for i in kept],
        [faces.sample_ids[i] for i in kept],
        faces.labels[kept],
        faces.clusters[kept],
    )
    options = RobustnessOptions(rows=70, corruptions=("rotation",), strengths=(1,))
    found = measure_robustness(fewer, by_brightness, options, EVALUATION, 1)
    for cell in (found["clean"], found["corruptions"]["rotation"]["1"]):
        assert cell["without"] == "Disgust" and cell["accuracy"]["value"] == 1
        assert cell["macro_f1"]["value"] == pytest.approx(6 / 7, abs=1e-4)
    whole = measure_robustness(faces, by_brightness, options, EVALUATION, 1)
    assert "without" not in whole["clean"]


def test_answers_of_another_processor_give_the_same_figures() -> None:
    """Their logits differ a little, by more than onnxruntime's do."""
    faces, rng = grey_faces(), np.random.default_rng(0)
    options = RobustnessOptions(rows=70, corruptions=("blur", "mask"), strengths=(1, 3, 5))

    def here(images: list[np.ndarray]) -> np.ndarray:
        return by_brightness(images) / 8

    def there(images: list[np.ndarray]) -> np.ndarray:
        logits = here(images)
        return logits + rng.uniform(-4e-6, 4e-6, logits.shape)

    one, other = (measure_robustness(faces, of, options, EVALUATION, 1) for of in (here, there))
    assert one == other
