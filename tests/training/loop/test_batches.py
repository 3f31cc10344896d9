import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import TrainingError
from fer_core.models.initial.options import ArcFaceOptions
from fer_core.training.loop.batches import (
    balanced_batches,
    learning_rates,
    shuffled_batches,
)
from fer_core.training.teachers.teacher import effective_number_weights

LABELS = np.repeat(np.arange(7), [5, 2, 3, 200, 40, 30, 60])
ROWS = np.arange(1000, 1000 + len(LABELS))


@given(st.integers(2, 300), st.integers(2, 40), st.integers(0, 99))
def test_a_shuffled_epoch_shows_each_row_once_and_never_a_batch_of_one(
    count: int, batch: int, epoch: int
) -> None:
    batches = shuffled_batches(np.arange(count), batch, 1, epoch)
    assert sorted(np.concatenate(batches)) == list(range(count))
    assert min(map(len, batches)) >= 2


def test_epochs_and_seeds_differ_and_repeat() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(shuffled_batches(ROWS, 16, seed, epoch)).tolist()

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_every_balanced_batch_has_two_of_each_class() -> None:
    batches = balanced_batches(ROWS, LABELS, 32, 7, 0)
    assert len(batches) == round(len(ROWS) / 32)
    for rows in batches:
        assert len(rows) == 32
        assert np.bincount(LABELS[rows - 1000], minlength=7).min() >= 2


def test_balanced_epochs_show_other_rows_of_a_large_class() -> None:
    """Re-seeding each epoch alike would show the same rows for ever."""
    seen = [
        set(np.concatenate(balanced_batches(ROWS, LABELS, 32, 7, epoch)).tolist())
        for epoch in range(4)
    ]
    assert len(set.union(*seen)) > max(map(len, seen)) * 1.3


def test_within_an_epoch_no_row_comes_twice_before_its_class_is_through() -> None:
    rows = np.concatenate(balanced_batches(ROWS, LABELS, 32, 7, 0))
    happy = rows[LABELS[rows - 1000] == 3]
    assert len(np.unique(happy)) == min(len(happy), 200)


def test_balanced_batches_need_every_class() -> None:
    with pytest.raises(TrainingError, match="no Disgust"):
        balanced_batches(ROWS[LABELS != 1], LABELS[LABELS != 1], 32, 7, 0)


def test_effective_number_weights_by_hand() -> None:
    counts = np.bincount(LABELS)
    raw = (1 - 0.99) / (1 - 0.99**counts)
    assert np.allclose(effective_number_weights(LABELS, beta=0.99), raw * 7 / raw.sum())


def test_absent_class_has_no_weight_and_breaks_nothing() -> None:
    weights = effective_number_weights(LABELS[LABELS != 1])
    assert weights[1] == 0
    assert np.isfinite(weights).all()


def test_rate_rises_to_the_peak_then_falls_to_the_floor() -> None:
    rates = learning_rates(100, 10, 1e-3, 1e-5)
    assert rates[0] == 1e-4
    assert np.argmax(rates) in (9, 10)
    assert np.isclose(rates.max(), 1e-3)
    assert np.isclose(rates[-1], 1e-5)
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()


def test_one_cycle_is_two_lines() -> None:
    """Oracle: torch's own schedule of two lines, from peak / 10 up and down to the floor."""
    rates = learning_rates(100, 10, 0.1, 0.001, "one_cycle")
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=0.1)
    oracle = torch.optim.lr_scheduler.SequentialLR(
        optimiser,
        [
            torch.optim.lr_scheduler.LinearLR(optimiser, 0.1, 1.0, 9),
            torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, 89),
        ],
        milestones=[10],
    )
    expected = []
    for _ in range(100):
        expected.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        oracle.step()
    assert np.allclose(rates, expected)


def test_without_warmup_the_first_step_has_the_peak() -> None:
    assert learning_rates(5, 0, 0.1, 0.0)[0] == 0.1


def test_a_single_step_has_a_rate() -> None:
    assert np.isfinite(learning_rates(1, 0, 0.1, 0.0)).all()


def test_margin_is_nothing_at_the_end_of_the_warmup_and_grows_in_a_line() -> None:
    options = ArcFaceOptions(margin=0.35, scale=30, warmup_epochs=5, ramp_end=15)
    assert [options.margin_at(epoch) for epoch in (0, 4, 5)] == [0, 0, 0]
    assert np.isclose(options.margin_at(10), 0.175)
    assert [options.margin_at(epoch) for epoch in (15, 59)] == [0.35, 0.35]


def test_margin_without_ramp_is_whole_at_once() -> None:
    options = ArcFaceOptions(margin=0.3, scale=30, warmup_epochs=2, ramp_end=2)
    assert options.margin_at(2) == 0.3
