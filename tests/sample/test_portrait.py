import dataclasses

import numpy as np
import pytest

from fer_core.base.labels import INDEX
from fer_core.sample.camera import Camera, Light
from fer_core.sample.expression import Expression, action_units
from fer_core.sample.identity import sample_identity
from fer_core.sample.portrait import Sitter, draw_sitter, shoot

LIGHT = Light(0.0, -0.3, 0.95, 0.8, 1.0)


def draw(emotion: str, yaw: float = 0.0) -> np.ndarray:
    person = dataclasses.replace(
        sample_identity(np.random.default_rng(4)), beard="none", glasses="none", hair_style="short"
    )
    index = INDEX[emotion]
    sitter = Sitter(
        person, Expression(index, 1.0, index, 0.0, action_units(index, 1.0)), 0.0, 0.0, (0.0, 0.0)
    )
    canvas = np.full((240, 240, 3), 128, np.uint8)
    draw_sitter(canvas, sitter, Camera(120, 115, 80, yaw), LIGHT)
    return canvas


def test_pixels_of_the_mouth_change_with_the_expression():
    mouth = np.s_[150:200, 70:170]
    neutral = draw("Neutral")[mouth].astype(int)
    for emotion in ("Happy", "Sad", "Surprise", "Fear", "Disgust"):
        assert np.abs(draw(emotion)[mouth] - neutral).mean() > 3, emotion


def test_brows_are_high_on_the_forehead_in_surprise_and_gone_from_there_in_anger():
    forehead = np.s_[56:72, 140:165]
    assert draw("Surprise")[forehead].mean() < draw("Angry")[forehead].mean() - 10


def test_turned_head_shows_other_pixels_and_stays_on_the_canvas():
    assert np.abs(draw("Neutral", 0.5).astype(int) - draw("Neutral")).mean() > 3


@pytest.mark.parametrize("size", [48, 100])
def test_picture_has_the_size_asked_for_and_contrast(size):
    image, expression = shoot(1, "domain", 0, INDEX["Happy"], size, 2, freedom=1.0)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert image.std() > 5
    assert expression.emotion == INDEX["Happy"]


def test_a_picture_depends_on_its_address_alone():
    def one(seed: int = 1, domain: str = "a", index: int = 7) -> bytes:
        return shoot(seed, domain, index, 2, 48, 2, freedom=1.0)[0].tobytes()

    reference = one()
    shoot(1, "a", 6, 2, 48, 2, freedom=1.0)
    assert one() == reference
    assert len({reference, one(seed=2), one(domain="b"), one(index=8)}) == 4
