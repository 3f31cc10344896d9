"""Distillation from several teachers against its formula, and what equal weights amount to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, rel_entr, softmax
from torch import Tensor

from fer_core.base.errors import ParamsError
from fer_core.base.params import parse_section
from fer_core.training.losses.kd import KD
from fer_core.training.losses.mtkd import MTKD

N, M, C = 9, 4, 7


def batch(seed: int = 0, teachers: int = M) -> tuple[Tensor, Tensor, Tensor]:
    random = np.random.default_rng(seed)
    logits, targets = random.normal(0, 2, (N, C)), random.normal(0, 3, (N, teachers, C))
    return (
        torch.from_numpy(logits),
        torch.from_numpy(targets).float(),
        torch.from_numpy(random.integers(0, C, N)),
    )


def options(**changes: object) -> MTKD:
    return MTKD.model_validate({"temperature": 2.0, "alpha": 0.7} | changes)


def gradient(loss: Tensor, student: Tensor) -> Tensor:
    return torch.autograd.grad(loss, student)[0]


def by_hand(
    logits: Tensor, targets: Tensor, labels: Tensor, weights: np.ndarray, t: float, alpha: float
) -> float:
    """Row by row and teacher by teacher; what a row's weights lack to 1 goes to its
    cross-entropy.
    """
    total = 0.0
    for row, label in enumerate(labels.tolist()):
        q = softmax(logits[row].numpy() / t)
        terms = [
            rel_entr(softmax(teacher.double().numpy() / t), q).sum() for teacher in targets[row]
        ]
        total += alpha * t * t * float(np.dot(weights[row], terms))
        total -= (1 - alpha * weights[row].sum()) * log_softmax(logits[row].numpy())[label]
    return total / len(labels)


def test_equal_terms_by_hand() -> None:
    logits, targets, labels = batch()
    expected = by_hand(logits, targets, labels, np.full((N, M), 0.25), 2.0, 0.7)
    assert float(options()(logits, targets, labels)) == pytest.approx(expected, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), t=st.floats(0.5, 8), teachers=st.integers(1, 5))
def test_equal_weights_pull_as_one_term_against_the_mean_of_the_probabilities(
    seed: int, t: float, teachers: int
) -> None:
    """The four-way split is distillation from fused probabilities: the losses differ by a constant,
    the gradients not at all.
    """
    logits, targets, labels = batch(seed, teachers)
    student = logits.clone().requires_grad_()
    fused = t * (targets.double() / t).softmax(dim=2).mean(dim=1).log()
    split = gradient(options(temperature=t)(student, targets, labels), student)
    whole = gradient(KD(temperature=t, alpha=0.7)(student, fused, labels), student)
    torch.testing.assert_close(split, whole, atol=1e-5, rtol=1e-4)


def test_confident_weights_do_not_amount_to_the_mean() -> None:
    logits, targets, labels = batch(1)
    student = logits.clone().requires_grad_()
    equal, confident = (
        gradient(options(weighting=w)(student, targets, labels), student)
        for w in ("equal", "confidence")
    )
    assert (equal - confident).abs().max() > 1e-3


def test_confident_weights_by_hand() -> None:
    """Label probabilities 1/2 and 1/8 are cross-entropies ln 2 and ln 8, whose softmax is 1/5 and
    4/5: weights 4/5 and 1/5.
    """
    targets = torch.tensor([[[1 / 2] + [1 / 12] * 6, [1 / 8] + [7 / 48] * 6]]).log()
    found = options(weighting="confidence").shares(targets, torch.tensor([0]))
    torch.testing.assert_close(found, torch.tensor([[0.8, 0.2]]))
    logits, more, labels = batch(2)
    weights = options(weighting="confidence").shares(more, labels)
    expected = by_hand(logits, more, labels, weights.double().numpy(), 2.0, 0.7)
    assert float(options(weighting="confidence")(logits, more, labels)) == pytest.approx(
        expected, rel=1e-5
    )


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    teachers=st.integers(1, 5),
    weighting=st.sampled_from(["equal", "confidence"]),
)
def test_weights_are_shares(seed: int, teachers: int, weighting: str) -> None:
    _, targets, labels = batch(seed, teachers)
    found = options(weighting=weighting).shares(targets, labels)
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(N))
    right = targets.argmax(dim=2) == labels[:, None]
    torch.testing.assert_close(
        options(weighting=weighting, gate="teacher_right").shares(targets, labels),
        found * right,
    )


def test_one_teacher_is_plain_distillation() -> None:
    logits, targets, labels = batch(3, teachers=1)
    for changes in ({}, {"standardize": True}, {"gate": "teacher_right"}):
        expected = KD(temperature=2.0, alpha=0.7, **changes)(logits, targets[:, 0], labels)
        torch.testing.assert_close(options(**changes)(logits, targets, labels), expected)
    torch.testing.assert_close(
        options(weighting="confidence")(logits, targets, labels),
        options()(logits, targets, labels),
    )


def test_a_teacher_that_is_wrong_about_a_row_is_not_heard_on_it() -> None:
    logits, targets, labels = batch(4)
    targets[:, 0] += 30 * torch.nn.functional.one_hot(labels, C)
    targets[:, 1:] += 30 * torch.nn.functional.one_hot((labels + 1) % C, C)[:, None]
    found = options(gate="teacher_right")(logits, targets, labels)
    weights = np.tile([0.25, 0, 0, 0], (N, 1))
    assert float(found) == pytest.approx(
        by_hand(logits, targets, labels, weights, 2.0, 0.7), rel=1e-5
    )
    everyone_wrong = options(gate="teacher_right")(logits, targets[:, 1:], labels)
    torch.testing.assert_close(everyone_wrong, torch.nn.functional.cross_entropy(logits, labels))


def test_distilling_from_copies_of_oneself_pulls_nowhere() -> None:
    logits, _, labels = batch(5)
    student = logits.clone().requires_grad_()
    copies = logits[:, None].expand(N, 3, C)
    assert gradient(options(alpha=1.0)(student, copies, labels), student).abs().max() < 1e-6


def test_almost_one_hot_half_precision_targets_stay_finite() -> None:
    student = torch.zeros(2, C, requires_grad=True)
    targets = torch.full((2, 2, C), -60.0, dtype=torch.float16)
    targets[..., 3] = 60.0
    for weighting in ("equal", "confidence"):
        value = options(temperature=1.0, weighting=weighting)(
            student, targets, torch.tensor([3, 0])
        )
        assert torch.isfinite(value)
        assert torch.isfinite(gradient(value, student)).all()


def test_unknown_weighting_names_the_key() -> None:
    with pytest.raises(ParamsError, match=r"student\.mtkd\.weighting"):
        parse_section("student.mtkd", {"temperature": 2.0, "alpha": 0.5, "weighting": "best"}, MTKD)
