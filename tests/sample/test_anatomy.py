import numpy as np
import pytest

from fer_core.base.labels import CLASSES, INDEX
from fer_core.sample.anatomy import Landmarks, shape_face
from fer_core.sample.expression import action_units
from fer_core.sample.identity import Identity, sample_identity

SEEDS = range(6)


def person(seed: int) -> Identity:
    return sample_identity(np.random.default_rng(seed))


def face(seed: int, emotion: str) -> Landmarks:
    return shape_face(person(seed), action_units(INDEX[emotion], 1.0))


def corner_rise(shape: Landmarks) -> float:
    """How far the mouth's corners lie above its middle."""
    line = (shape.mouth.upper_inner + shape.mouth.lower_inner) / 2
    return float(line[8, 1] - (line[0, 1] + line[-1, 1]) / 2)


def eye_opening(shape: Landmarks) -> float:
    return float(np.mean([(eye.lower - eye.upper)[:, 1].max() for eye in shape.eyes]))


def mouth_width(shape: Landmarks) -> float:
    return float(shape.mouth.upper_inner[-1, 0] - shape.mouth.upper_inner[0, 0])


def lip_thickness(shape: Landmarks) -> float:
    return float((shape.mouth.lower_outer - shape.mouth.lower_inner)[8, 1])


@pytest.mark.parametrize("seed", SEEDS)
def test_mouth_corners_rise_when_happy_and_fall_when_sad(seed):
    neutral = corner_rise(face(seed, "Neutral"))
    assert corner_rise(face(seed, "Happy")) > neutral + 0.1
    assert corner_rise(face(seed, "Sad")) < neutral - 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_jaw_drops_furthest_in_surprise(seed):
    openings = {name: face(seed, name).mouth.opening for name in CLASSES}
    assert max(openings, key=openings.__getitem__) == "Surprise"
    assert openings["Neutral"] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_lids_widen_in_fear_and_narrow_in_disgust(seed):
    neutral = eye_opening(face(seed, "Neutral"))
    assert eye_opening(face(seed, "Fear")) > neutral > eye_opening(face(seed, "Disgust"))


@pytest.mark.parametrize("seed", SEEDS)
def test_brows_fall_in_anger_rise_in_surprise_and_slant_in_sadness(seed):
    neutral, angry, surprise, sad = (
        face(seed, name).brows[1][:, 1] for name in ("Neutral", "Angry", "Surprise", "Sad")
    )
    assert angry[0] > neutral[0] + 0.05
    assert (surprise < neutral - 0.05).all()
    assert (neutral - sad)[0] > (neutral - sad)[-1] + 0.04


@pytest.mark.parametrize("seed", SEEDS)
def test_fear_stretches_the_mouth_and_anger_tightens_the_lips(seed):
    neutral = face(seed, "Neutral")
    assert mouth_width(face(seed, "Fear")) > mouth_width(neutral) + 0.1
    assert lip_thickness(face(seed, "Angry")) < 0.7 * lip_thickness(neutral)


def test_nose_wrinkles_in_disgust_only():
    assert [name for name in CLASSES if face(0, name).folds["nose"] > 0] == ["Disgust"]


def test_blink_closes_the_eyes():
    assert (
        eye_opening(shape_face(person(0), {}, blink=1.0))
        < 0.02
        < eye_opening(shape_face(person(0), {}))
    )


def test_asymmetry_moves_one_corner_more():
    line = shape_face(person(0), {12: 1.0}, asymmetry=0.5).mouth.upper_inner
    assert line[-1, 1] < line[0, 1]
