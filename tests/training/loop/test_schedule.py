import numpy as np

from fer_core.models.initial.options import ArcFaceOptions
from fer_core.training.loop.batches import cosine_schedule


def test_rate_rises_to_the_peak_then_falls_to_the_floor() -> None:
    rates = cosine_schedule(100, 10, 1e-3, 1e-5)
    assert rates[0] == 1e-4
    assert np.argmax(rates) in (9, 10)
    assert np.isclose(rates.max(), 1e-3)
    assert np.isclose(rates[-1], 1e-5)
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()


def test_without_warmup_the_first_step_has_the_peak() -> None:
    assert cosine_schedule(5, 0, 0.1, 0.0)[0] == 0.1


def test_a_single_step_has_a_rate() -> None:
    assert np.isfinite(cosine_schedule(1, 0, 0.1, 0.0)).all()


def test_margin_is_nothing_at_the_end_of_the_warmup_and_grows_in_a_line() -> None:
    options = ArcFaceOptions(margin=0.35, scale=30, warmup_epochs=5, ramp_end=15)
    assert [options.margin_at(epoch) for epoch in (0, 4, 5)] == [0, 0, 0]
    assert np.isclose(options.margin_at(10), 0.175)
    assert [options.margin_at(epoch) for epoch in (15, 59)] == [0.35, 0.35]


def test_margin_without_ramp_is_whole_at_once() -> None:
    options = ArcFaceOptions(margin=0.3, scale=30, warmup_epochs=2, ramp_end=2)
    assert options.margin_at(2) == 0.3
