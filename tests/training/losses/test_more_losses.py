"""NKD, DIST, votes, forms of DKD, standardised logits and the gate against their formulas, and the
invariances they were made for.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fer_core.base.errors import ParamsError
from fer_core.base.params import parse_section
from fer_core.training.losses import dist
from fer_core.training.losses.dist import DIST, correlation_distance
from fer_core.training.losses.dkd import DKD, nckd, tckd
from fer_core.training.losses.kd import KD
from fer_core.training.losses.mtkd import MTKD
from fer_core.training.losses.nkd import NKD
from fer_core.training.losses.votes import Votes
from fer_core.training.students.loss import standardised

N, C = 9, 7
NKD_LOSS = NKD(temperature=1.5, gamma=1.2)
DIST_LOSS = DIST(temperature=2.0, beta=1.5, gamma=0.5)
LSKD = KD(temperature=2.0, alpha=0.8, standardize=True)


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(N, C, generator=generator, dtype=torch.float64)
    targets = 3 * torch.randn(N, C, generator=generator, dtype=torch.float64)
    return logits, targets.float(), torch.randint(0, C, (N,), generator=generator)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_nkd_is_its_formula_row_by_row() -> None:
    logits, targets, labels = batch()
    total = 0.0
    for z, y, t in zip(logits.numpy(), targets.double().numpy(), labels.tolist(), strict=True):
        q, p = softmax(z), softmax(y)
        rest = [i for i in range(C) if i != t]
        big_q, big_p = softmax(z[rest] / 1.5), softmax(y[rest] / 1.5)
        total += -np.log(q[t]) - p[t] * np.log(q[t]) - 1.2 * 1.5**2 * (big_p * np.log(big_q)).sum()
    assert float(NKD_LOSS(logits, targets, labels)) == pytest.approx(total / N, abs=1e-6)


def test_dist_is_its_formula_by_numpys_correlation() -> None:
    logits, targets, labels = batch(1)
    q, p = softmax(logits.numpy() / 2), softmax(targets.double().numpy() / 2)
    inter = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(q, p, strict=True)])
    intra = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(q.T, p.T, strict=True)])
    ce = -np.log(softmax(logits.numpy())[np.arange(N), labels.numpy()]).mean()
    assert float(DIST_LOSS(logits, targets, labels)) == pytest.approx(
        ce + 4 * (1.5 * inter + 0.5 * intra), abs=1e-5
    )


def test_standardised_kd_is_its_formula() -> None:
    logits, targets, labels = batch(2)

    def z(values: np.ndarray) -> np.ndarray:
        return (values - values.mean(axis=1, keepdims=True)) / values.std(
            axis=1, ddof=1, keepdims=True
        )

    q, p = softmax(z(logits.numpy()) / 2), softmax(z(targets.double().numpy()) / 2)
    ce = -np.log(softmax(logits.numpy())[np.arange(N), labels.numpy()]).mean()
    kl = (p * np.log(p / q)).sum(axis=1).mean()
    assert float(LSKD(logits, targets, labels)) == pytest.approx(0.2 * ce + 0.8 * 4 * kl, abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.2, 20), shift=st.floats(-5, 5))
def test_standardised_kd_ignores_scale_and_shift_of_the_teacher(
    seed: int, scale: float, shift: float
) -> None:
    logits, targets, labels = batch(seed)
    first = LSKD(logits, targets, labels)
    assert float(LSKD(logits, targets * scale + shift, labels)) == pytest.approx(
        float(first), rel=1e-3, abs=1e-4
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_distance_of_correlation_ignores_an_affine_map_and_knows_its_bounds(seed: int) -> None:
    logits, targets, _ = batch(seed)
    a, b = logits.softmax(dim=1), targets.double().softmax(dim=1)
    torch.testing.assert_close(correlation_distance(a, b), correlation_distance(a, 0.3 * b + 0.1))
    torch.testing.assert_close(
        correlation_distance(a, a), torch.zeros(N, dtype=a.dtype), atol=1e-9, rtol=0
    )
    torch.testing.assert_close(correlation_distance(a, -a), torch.full((N,), 2.0, dtype=a.dtype))


@pytest.mark.parametrize("loss", [NKD_LOSS, DIST_LOSS, LSKD])
def test_a_step_along_the_gradient_brings_the_student_nearer_to_a_teacher_that_is_right(
    loss,
) -> None:
    logits, _, labels = batch(3)
    targets = 4 * torch.nn.functional.one_hot(labels, C).float() + torch.randn(
        N, C, generator=torch.Generator().manual_seed(5)
    )
    student = logits.clone().requires_grad_()
    before = loss(student, targets, labels)
    (gradient,) = torch.autograd.grad(before, student)
    moved = logits - 0.05 * gradient
    assert loss(moved, targets, labels).item() < before.item()
    assert (
        moved.softmax(dim=1).gather(1, labels[:, None])
        > logits.softmax(dim=1).gather(1, labels[:, None])
    ).float().mean() > 0.9
    assert torch.isfinite(gradient).all()


def test_a_constant_row_gives_a_finite_gradient() -> None:
    student = torch.zeros(2, C, requires_grad=True)
    for loss in (DIST_LOSS, LSKD):
        (gradient,) = torch.autograd.grad(
            loss(student, torch.zeros(2, C), torch.tensor([0, 1])), student
        )
        assert torch.isfinite(gradient).all()


def test_forms_of_dkd_weigh_the_same_parts_differently() -> None:
    logits, targets, labels = batch(4)
    t, alpha, beta = 2.0, 0.5, 4.0
    ce = torch.nn.functional.cross_entropy(logits, labels)
    target = tckd(logits / t, targets / t, labels).mean()
    others = nckd(logits / t, targets / t, labels).mean()

    def found(form: str) -> float:
        return float(DKD(temperature=t, alpha=alpha, beta=beta, form=form)(logits, targets, labels))

    assert found("paper") == pytest.approx(
        float(ce + t * t * (alpha * target + beta * others)), rel=1e-6
    )
    assert found("original") == pytest.approx(
        float((1 - alpha) * ce + alpha * t * t * (target + beta * others)), rel=1e-6
    )
    assert found("report") == pytest.approx(
        float((1 - alpha) * ce + t * t * (alpha * target + beta * others)), rel=1e-6
    )


EVERY = [
    (KD, {"temperature": 2.0, "alpha": 0.7}),
    (DKD, {"temperature": 2.0, "alpha": 0.7, "beta": 2.0}),
    (DKD, {"temperature": 2.0, "alpha": 0.7, "beta": 2.0, "form": "original"}),
    (NKD, {"temperature": 2.0, "gamma": 1.5}),
    (DIST, {"temperature": 2.0, "beta": 1.0, "gamma": 0.0}),
]


@pytest.mark.parametrize(("method", "values"), EVERY)
def test_gate_leaves_rows_with_a_wrong_teacher_to_the_label(method, values) -> None:
    """Of the gated batch, rows whose teacher errs have the gradient of cross-entropy alone, the
    others that of the method.
    """
    logits, targets, labels = batch(6)
    targets[:5] += 20 * torch.nn.functional.one_hot(labels[:5], C)
    targets[5:] += 20 * torch.nn.functional.one_hot((labels[5:] + 1) % C, C)
    student = logits.clone().requires_grad_()

    def gradient(loss: Tensor) -> Tensor:
        return torch.autograd.grad(loss, student)[0]

    gated = gradient(method(**values, gate="teacher_right")(student, targets, labels))
    plain = gradient(method(**values)(student, targets, labels))
    alone = gradient(torch.nn.functional.cross_entropy(student, labels))
    torch.testing.assert_close(gated[5:], alone[5:])
    assert (gated[5:] - plain[5:]).abs().max() > 1e-4
    if method is not DIST:  # whose mean is over the rows that are kept
        torch.testing.assert_close(gated[:5], plain[:5])


@pytest.mark.parametrize(("method", "values"), EVERY)
def test_gate_that_keeps_nothing_out_changes_nothing(method, values) -> None:
    logits, _, labels = batch(7)
    targets = 9 * torch.nn.functional.one_hot(labels, C).float() + torch.randn(
        N, C, generator=torch.Generator().manual_seed(1)
    )
    losses = [
        method(**values, gate=gate)(logits, targets, labels) for gate in ("none", "teacher_right")
    ]
    torch.testing.assert_close(losses[0], losses[1])


@pytest.mark.parametrize(("method", "values"), EVERY)
@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_doubted_labels_weigh_less_in_the_cross_entropy_alone(method, values, weight) -> None:
    logits, targets, labels = batch(9)
    one_hot = torch.nn.functional.one_hot
    targets = 0.1 * targets  # at odds with some labels, but sure of nothing
    targets[5:] += 20 * one_hot((labels[5:] + 1) % C, C)
    entropies = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    share = 1 - values["alpha"] if method is KD or values.get("form") == "original" else 1.0
    plain = method(**values)(logits, targets, labels)
    found = method(**values, doubt={"least": 0.9, "weight": weight})(logits, targets, labels)
    torch.testing.assert_close(plain - found, share * (1 - weight) * entropies[5:].sum() / N)
    nobody_so_sure = method(**values, doubt={"least": 1.0})(logits, 0.1 * targets, labels)
    torch.testing.assert_close(nobody_so_sure, method(**values)(logits, 0.1 * targets, labels))


def test_teachers_doubt_a_label_together() -> None:
    """Of several teachers the mean probability counts: one that errs alone raises no doubt."""
    logits, _, labels = batch(10)
    right, wrong = (20.0 * torch.nn.functional.one_hot((labels + k) % C, C) for k in (0, 1))
    mtkd = MTKD(temperature=2.0, alpha=0.7, doubt={"least": 0.6})
    plain = MTKD(temperature=2.0, alpha=0.7)
    one_errs = torch.stack([right, right, wrong], dim=1)
    torch.testing.assert_close(mtkd(logits, one_errs, labels), plain(logits, one_errs, labels))
    two_err = torch.stack([right, wrong, wrong], dim=1)
    entropy = torch.nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(
        plain(logits, two_err, labels) - mtkd(logits, two_err, labels), 0.3 * entropy
    )


def test_gate_and_doubt_exclude_each_other() -> None:
    section = {"temperature": 2.0, "alpha": 0.7, "gate": "teacher_right", "doubt": {}}
    with pytest.raises(ParamsError, match="take one of them out"):
        parse_section("student.kd", section, KD, "params.yaml")


@pytest.mark.parametrize(("method", "values"), EVERY)
def test_standardise_is_the_method_on_standardised_logits(method, values) -> None:
    """The distillation part sees z-scores on both sides; the cross-entropy sees the logits."""
    logits, targets, labels = batch(8)
    ce = torch.nn.functional.cross_entropy
    z, y = standardised(logits), standardised(targets)
    share = 1 - values["alpha"] if method is KD or values.get("form") == "original" else 1.0
    found = method(**values, standardize=True)(logits, targets, labels) - share * ce(logits, labels)
    expected = method(**values)(z, y, labels) - share * ce(z, labels)
    if method is NKD:  # the label's own term stays at T = 1 on the plain logits
        own, theirs = (v.float().softmax(1).gather(1, labels[:, None])[:, 0] for v in (targets, y))
        found = found - (own * ce(logits, labels, reduction="none")).mean()
        expected = expected - (theirs * ce(z, labels, reduction="none")).mean()
    torch.testing.assert_close(found, expected)


def test_votes_are_their_formula_and_rows_without_votes_learn_from_the_label() -> None:
    logits, _, labels = batch(9)
    shares = torch.rand(N, C, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    shares /= shares.sum(dim=1, keepdim=True)
    shares[4:] = 0
    log_p = np.log(softmax(logits.numpy()))
    expected = []
    for row in range(N):
        own = -log_p[row, labels[row]]
        expected.append(
            own if row >= 4 else 0.3 * own - 0.7 * float((shares[row].numpy() * log_p[row]).sum())
        )
    assert float(Votes(share=0.7)(logits, shares, labels)) == pytest.approx(
        np.mean(expected), rel=1e-9
    )


def test_no_method_imports_another() -> None:
    """DVC gives each student the file of its own method only."""
    for path in Path(dist.__file__).parent.glob("*.py"):
        assert "fer_core.training.losses" not in path.read_text(), path
