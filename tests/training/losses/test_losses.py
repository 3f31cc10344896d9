import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, rel_entr, softmax
from torch import Tensor

from fer_core.base.errors import ParamsError
from fer_core.base.params import parse_section
from fer_core.training.losses.ce import CE
from fer_core.training.losses.dkd import DKD, nckd, tckd
from fer_core.training.losses.kd import KD


def batch(seed: int = 0, count: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    random = np.random.default_rng(seed)
    student, teacher = (torch.from_numpy(random.normal(0, 3, (count, 7))) for _ in range(2))
    return student, teacher, torch.from_numpy(random.integers(0, 7, count))


def hand_ce(student: Tensor, labels: Tensor) -> float:
    return float(-log_softmax(student.numpy(), axis=1)[np.arange(len(labels)), labels].mean())


def hand_kl(teacher: np.ndarray, student: np.ndarray) -> np.ndarray:
    return rel_entr(teacher, student).sum(axis=1)


def test_ce_by_hand() -> None:
    student, _, labels = batch()
    assert CE(label_smoothing=0.0)(student, None, labels).item() == pytest.approx(
        hand_ce(student, labels)
    )


def test_label_smoothing_mixes_in_the_uniform_distribution() -> None:
    student, _, labels = batch()
    uniform = float(-log_softmax(student.numpy(), axis=1).mean(axis=1).mean())
    found = CE(label_smoothing=0.2)(student, None, labels).item()
    assert found == pytest.approx(0.8 * hand_ce(student, labels) + 0.2 * uniform)


@pytest.mark.parametrize(("t", "alpha"), [(1.0, 1.0), (2.0, 0.7), (5.0, 0.3)])
def test_kd_by_hand(t: float, alpha: float) -> None:
    student, teacher, labels = batch()
    divergence = hand_kl(
        softmax(teacher.numpy() / t, axis=1), softmax(student.numpy() / t, axis=1)
    ).mean()
    expected = (1 - alpha) * hand_ce(student, labels) + alpha * t * t * divergence
    assert KD(temperature=t, alpha=alpha)(student, teacher, labels).item() == pytest.approx(
        expected, rel=1e-5
    )


def hand_dkd(
    student: Tensor, teacher: Tensor, labels: Tensor, t: float
) -> tuple[np.ndarray, np.ndarray]:
    p, q = softmax(teacher.numpy() / t, axis=1), softmax(student.numpy() / t, axis=1)
    rows = np.arange(len(labels))
    binary = [np.stack([d[rows, labels], 1 - d[rows, labels]], axis=1) for d in (p, q)]
    keep = np.ones_like(p, dtype=bool)
    keep[rows, labels] = False
    others = [d[keep].reshape(len(labels), -1) for d in (p, q)]
    others = [d / d.sum(axis=1, keepdims=True) for d in others]
    return hand_kl(*binary), hand_kl(*others)


@pytest.mark.parametrize("t", [1.0, 4.0])
def test_dkd_by_hand(t: float) -> None:
    student, teacher, labels = batch()
    target, others = hand_dkd(student, teacher, labels, t)
    expected = hand_ce(student, labels) + t * t * (1.5 * target + 3.0 * others).mean()
    assert DKD(temperature=t, alpha=1.5, beta=3.0)(
        student, teacher, labels
    ).item() == pytest.approx(expected, rel=1e-5)


@given(st.integers(0, 10_000))
def test_kd_decomposes_into_the_two_parts_of_dkd(seed: int) -> None:
    """KL(teacher || student) = TCKD + (1 - p_target of the teacher) NCKD (Zhao et al., eq. 6)."""
    student, teacher, labels = batch(seed)
    whole = torch.nn.functional.kl_div(
        student.log_softmax(1), teacher.log_softmax(1), reduction="none", log_target=True
    ).sum(1)
    missing = 1 - teacher.softmax(1).gather(1, labels[:, None])[:, 0]
    parts = tckd(student, teacher, labels) + missing * nckd(student, teacher, labels)
    assert torch.allclose(whole, parts, atol=1e-8)


@pytest.mark.parametrize("name", ["kd", "dkd"])
def test_distilling_from_oneself_costs_nothing_and_pulls_nowhere(name: str) -> None:
    student, _, labels = batch()
    options = {
        "kd": KD(temperature=3.0, alpha=1.0),
        "dkd": DKD(temperature=3.0, alpha=1.0, beta=2.0),
    }[name]
    logits = student.clone().requires_grad_()
    loss = options(logits, student, labels)
    label_part = (
        torch.nn.functional.cross_entropy(logits, labels) if name == "dkd" else torch.zeros(())
    )
    (gradient,) = torch.autograd.grad(loss - label_part, logits)
    assert gradient.abs().max() < 1e-6


def test_almost_one_hot_half_precision_targets_stay_finite() -> None:
    student = torch.zeros(2, 7, requires_grad=True)
    teacher = torch.full((2, 7), -60.0, dtype=torch.float16)
    teacher[:, 3] = 60.0
    labels = torch.tensor([3, 0])
    for value in (
        KD(temperature=1.0, alpha=0.5)(student, teacher, labels),
        DKD(temperature=1.0, alpha=1.0, beta=8.0)(student, teacher, labels),
    ):
        (gradient,) = torch.autograd.grad(value, student)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


def test_options_out_of_range_name_the_key() -> None:
    with pytest.raises(ParamsError, match=r"student\.kd\.alpha"):
        parse_section("student.kd", {"temperature": 2.0, "alpha": 1.5}, KD)
    with pytest.raises(ParamsError, match=r"student\.kd\.tau"):
        parse_section("student.kd", {"temperature": 2.0, "alpha": 0.5, "tau": 1}, KD)
