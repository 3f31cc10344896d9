"""NKD, DIST and standardised KD against their formulas written out in numpy, and the invariances they were made for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fer_core.learning.losses import dist, lskd, nkd

N, C = 9, 7
NKD = nkd.Options(temperature=1.5, gamma=1.2)
DIST = dist.Options(temperature=2.0, beta=1.5, gamma=0.5)
LSKD = lskd.Options(temperature=2.0, ce_weight=0.3, kd_weight=4.0)


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
    assert float(nkd.loss(logits, targets, labels, NKD)) == pytest.approx(total / N, abs=1e-6)


def test_dist_is_its_formula_by_numpys_correlation() -> None:
    logits, targets, labels = batch(1)
    q, p = softmax(logits.numpy() / 2), softmax(targets.double().numpy() / 2)
    inter = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(q, p, strict=True)])
    intra = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(q.T, p.T, strict=True)])
    ce = -np.log(softmax(logits.numpy())[np.arange(N), labels.numpy()]).mean()
    assert float(dist.loss(logits, targets, labels, DIST)) == pytest.approx(ce + 4 * (1.5 * inter + 0.5 * intra), abs=1e-5)


def test_lskd_is_its_formula() -> None:
    logits, targets, labels = batch(2)

    def z(values: np.ndarray) -> np.ndarray:
        return (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, ddof=1, keepdims=True)

    q, p = softmax(z(logits.numpy()) / 2), softmax(z(targets.double().numpy()) / 2)
    ce = -np.log(softmax(logits.numpy())[np.arange(N), labels.numpy()]).mean()
    kl = (p * np.log(p / q)).sum(axis=1).mean()
    assert float(lskd.loss(logits, targets, labels, LSKD)) == pytest.approx(0.3 * ce + 4.0 * 4 * kl, abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.2, 20), shift=st.floats(-5, 5))
def test_lskd_ignores_scale_and_shift_of_the_teacher(seed: int, scale: float, shift: float) -> None:
    logits, targets, labels = batch(seed)
    first = lskd.loss(logits, targets, labels, LSKD)
    assert float(lskd.loss(logits, targets * scale + shift, labels, LSKD)) == pytest.approx(float(first), rel=1e-3, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_distance_of_correlation_ignores_an_affine_map_and_knows_its_bounds(seed: int) -> None:
    logits, targets, _ = batch(seed)
    a, b = logits.softmax(dim=1), targets.double().softmax(dim=1)
    torch.testing.assert_close(dist.correlation_distance(a, b), dist.correlation_distance(a, 0.3 * b + 0.1))
    torch.testing.assert_close(dist.correlation_distance(a, a), torch.zeros(N, dtype=a.dtype), atol=1e-9, rtol=0)
    torch.testing.assert_close(dist.correlation_distance(a, -a), torch.full((N,), 2.0, dtype=a.dtype))


@pytest.mark.parametrize(("method", "options"), [(nkd, NKD), (dist, DIST), (lskd, LSKD)])
def test_a_step_along_the_gradient_brings_the_student_nearer_to_a_teacher_that_is_right(method, options) -> None:
    logits, _, labels = batch(3)
    targets = 4 * torch.nn.functional.one_hot(labels, C).float() + torch.randn(N, C, generator=torch.Generator().manual_seed(5))
    student = logits.clone().requires_grad_()
    before = method.loss(student, targets, labels, options)
    (gradient,) = torch.autograd.grad(before, student)
    moved = logits - 0.05 * gradient
    assert method.loss(moved, targets, labels, options).item() < before.item()
    assert (moved.softmax(dim=1).gather(1, labels[:, None]) > logits.softmax(dim=1).gather(1, labels[:, None])).float().mean() > 0.9
    assert torch.isfinite(gradient).all()


def test_a_constant_row_gives_a_finite_gradient() -> None:
    student = torch.zeros(2, C, requires_grad=True)
    for method, options in ((dist, DIST), (lskd, LSKD)):
        (gradient,) = torch.autograd.grad(method.loss(student, torch.zeros(2, C), torch.tensor([0, 1]), options), student)
        assert torch.isfinite(gradient).all()
