"""Negative learning lowers what it should, draws wrong classes only, and does not depend on
batches.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from fer_core.training.students.negl import (
    NegLOptions,
    confusion,
    draw_negatives,
    least_probable,
    negative_loss,
    normalised_entropy,
    uniforms,
)


def logits_of(seed: int, rows: int = 40) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 3, (rows, 7)))


def test_loss_is_minus_log_of_the_rest() -> None:
    logits, negatives = logits_of(0), torch.arange(40) % 7
    p = logits.softmax(1)[torch.arange(40), negatives]
    torch.testing.assert_close(negative_loss(logits, negatives), -torch.log1p(-p))


def test_one_step_lowers_the_wrong_class() -> None:
    """The original's sign raised it; turning the gradient round here must do so too."""
    logits, negatives = logits_of(1).requires_grad_(), torch.arange(40) % 7
    (gradient,) = torch.autograd.grad(negative_loss(logits, negatives).sum(), logits)
    place = torch.arange(40), negatives
    before = logits.detach().softmax(1)[place]
    assert ((logits - 0.1 * gradient).softmax(1)[place] < before).all()
    assert ((logits + 0.1 * gradient).softmax(1)[place] > before).all()


def test_it_is_exact_where_the_wrong_class_is_all_but_certain() -> None:
    logits = torch.zeros(1, 7)
    logits[0, 2] = 60.0
    assert negative_loss(logits, torch.tensor([2])).item() == pytest.approx(
        60 - np.log(6), abs=1e-4
    )


def test_entropy_is_scipys_over_ln_7() -> None:
    logits = logits_of(2)
    torch.testing.assert_close(
        normalised_entropy(logits),
        torch.from_numpy(entropy(logits.softmax(1).numpy(), axis=1) / np.log(7)),
    )
    assert normalised_entropy(torch.zeros(1, 7)).item() == pytest.approx(1)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 1 - 2**-24]))
def test_the_label_itself_is_never_drawn(seed: int, u: float) -> None:
    random = np.random.default_rng(seed)
    labels = torch.from_numpy(random.integers(0, 7, 30))
    weights = torch.from_numpy(random.random((30, 7)) * (random.random((30, 7)) < 0.5))
    drawn = draw_negatives(labels, weights, torch.full((30,), u))
    assert (drawn != labels).all()
    assert ((drawn >= 0) & (drawn < 7)).all()


def test_classes_are_drawn_as_often_as_they_are_wanted() -> None:
    wanted = torch.tensor([3.0, 1.0, 0.0, 4.0, 2.0, 0.0, 9.0])
    uniform = (torch.arange(100_000) + 0.5) / 100_000
    drawn = draw_negatives(torch.full((100_000,), 6), wanted.expand(100_000, 7), uniform)
    share = torch.bincount(drawn, minlength=7) / 100_000
    torch.testing.assert_close(
        share, torch.tensor([0.3, 0.1, 0.0, 0.4, 0.2, 0.0, 0.0]), atol=1e-4, rtol=0
    )


def test_confusion_is_the_mean_prediction_of_each_label() -> None:
    targets, labels = logits_of(3), torch.arange(40) % 5
    found = confusion(targets, labels)
    torch.testing.assert_close(found[2], targets[labels == 2].softmax(1).mean(0))
    assert (found[5:] == 0).all(), "labels without rows"


def test_numbers_depend_on_seed_and_epoch_alone() -> None:
    first = uniforms(50, 7, 3)
    np.testing.assert_array_equal(first, uniforms(50, 7, 3))
    assert ((first >= 0) & (first < 1)).all()
    assert (first != uniforms(50, 7, 4)).mean() > 0.9
    assert (first != uniforms(50, 8, 3)).mean() > 0.9


def test_only_the_most_frequent_confusions_stay() -> None:
    targets, labels = logits_of(4, 400), torch.arange(400) % 7
    means = confusion(targets, labels)
    found = confusion(targets, labels, top=2)
    for label in range(7):
        wrong = np.argsort(-np.delete(means[label].numpy(), label), kind="stable")[:2]
        expected = {int(place + (place >= label)) for place in wrong}
        assert set(found[label].nonzero().squeeze(1).tolist()) - {label} == expected
    assert (found[found > 0] == means[found > 0]).all()


def test_confusions_that_are_too_few_are_left_out_and_draw_uniformly() -> None:
    labels = torch.zeros(10, dtype=torch.int64)
    answers = torch.tensor([1, 1, 1, 2, 2, 0, 0, 0, 0, 0])
    targets = 20.0 * torch.nn.functional.one_hot(answers, 7)
    found = confusion(targets, labels, min_support=3)[0]
    assert found[1] == pytest.approx(0.3, abs=1e-6)
    assert (found[2:] == 0).all()
    none = confusion(targets, labels, min_support=4)
    uniform = (torch.arange(6000) + 0.5) / 6000
    drawn = draw_negatives(torch.zeros(6000, dtype=torch.int64), none[0].expand(6000, 7), uniform)
    assert torch.bincount(drawn, minlength=7).tolist() == [0] + 6 * [1000]


def test_the_least_probable_class_is_never_the_label() -> None:
    logits, labels = logits_of(5), torch.arange(40) % 7
    logits[:7, :] = torch.eye(7) * -50
    found = least_probable(logits, labels)
    assert (found != labels).all()
    for row in range(7, 40):
        others = {k: logits[row, k].item() for k in range(7) if k != labels[row]}
        assert found[row] == min(others, key=others.__getitem__)


def test_options_that_nothing_would_read_are_refused() -> None:
    with pytest.raises(ValueError, match="choose among confusions"):
        NegLOptions(weight=0.1, top=2)
    with pytest.raises(ValueError, match="class_ratios"):
        NegLOptions(weight=0.1, class_ratios={"Joy": 0.5})
    assert NegLOptions(weight=0.1, ratio=0.5, class_ratios={"Fear": 0.25}).ratios() == [
        *[0.5, 0.5, 0.25],
        *4 * [0.5],
    ]
