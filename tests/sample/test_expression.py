import numpy as np
import pytest

from fer_core.base.labels import CLASSES, INDEX
from fer_core.sample.expression import (
    Expression,
    action_units,
    mistaken_label,
    sample_expression,
)


def units_of(name: str) -> set[int]:
    return set(action_units(INDEX[name], 1.0))


def test_prototypes_follow_facs():
    assert {6, 12} <= units_of("Happy")
    assert {1, 4, 15} <= units_of("Sad")
    assert {1, 2, 5, 26} <= units_of("Surprise")
    assert {1, 2, 4, 5, 20, 26} <= units_of("Fear")
    assert {4, 5, 7, 23} <= units_of("Angry")
    assert {9, 10, 15, 16} <= units_of("Disgust")
    assert units_of("Neutral") == set()


def test_units_grow_with_intensity():
    weak, strong = action_units(INDEX["Fear"], 0.3), action_units(INDEX["Fear"], 0.9)
    assert all(weak[unit] == pytest.approx(strong[unit] / 3) for unit in strong)


@pytest.mark.parametrize("emotion", range(7))
def test_annotators_shares_sum_to_one_and_favour_a_strong_expression(emotion):
    shares = Expression(emotion, 1.0, emotion, 0.0, {}).perceived()
    assert shares.sum() == pytest.approx(1)
    assert shares.min() >= 0
    assert shares.argmax() == emotion


def test_weak_expression_is_often_taken_for_neutral():
    weak = Expression(INDEX["Angry"], 0.2, INDEX["Angry"], 0.0, {}).perceived()
    strong = Expression(INDEX["Angry"], 0.9, INDEX["Angry"], 0.0, {}).perceived()
    assert weak[INDEX["Neutral"]] > 0.3 > strong[INDEX["Neutral"]]


def test_mistakes_name_another_class_and_mix_fear_with_surprise_most():
    rng = np.random.default_rng(0)
    for emotion in range(7):
        assert emotion not in {mistaken_label(emotion, rng) for _ in range(50)}
    mistakes = [mistaken_label(INDEX["Fear"], rng) for _ in range(300)]
    assert CLASSES[int(np.bincount(mistakes).argmax())] == "Surprise"


def test_people_show_one_emotion_in_different_ways():
    rng = np.random.default_rng(1)
    shown = [sample_expression(INDEX["Sad"], rng) for _ in range(200)]
    intensities = np.array([expression.intensity for expression in shown])
    assert intensities.min() < 0.45
    assert intensities.max() > 0.9
    assert any(15 not in expression.units for expression in shown)
    assert 0.05 < np.mean([expression.blend_share > 0 for expression in shown]) < 0.5
