import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from fer_core.models.initial.options import ArcFaceOptions
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.training.loop.passes import Batch, Mixture, draw_mixture
from fer_core.training.teachers.teacher import TeacherTask

LABELS = torch.arange(14) % 7
ROWS = np.arange(100, 114)


def test_images_are_blended_with_their_partners() -> None:
    images = torch.arange(3.0).view(3, 1, 1, 1)
    mixture = Mixture(torch.tensor([2, 0, 1]), 0.75, torch.tensor([0, 0, 0]), np.array([2, 0, 1]))
    assert mixture.images(images, images[mixture.partner]).flatten().tolist() == [0.5, 0.75, 1.75]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 60), st.integers(0, 4000), st.floats(0.05, 4))
def test_a_draw_depends_on_seed_epoch_and_step_alone(
    seed: int, epoch: int, step: int, alpha: float
) -> None:
    one, again = (draw_mixture(ROWS, LABELS, alpha, seed, epoch, step) for _ in range(2))
    assert torch.equal(one.partner, again.partner)
    assert one.share == again.share
    assert 0.5 <= one.share <= 1
    assert sorted(one.partner.tolist()) == list(range(14))
    assert torch.equal(one.labels, LABELS[one.partner])
    assert np.array_equal(one.rows, ROWS[one.partner.numpy()])
    other = [
        draw_mixture(ROWS, LABELS, alpha, *place)
        for place in ((seed + 1, epoch, step), (seed, epoch + 1, step), (seed, epoch, step + 1))
    ]
    assert all(
        not torch.equal(one.partner, found.partner) or one.share != found.share for found in other
    )


def test_shares_follow_the_beta_distribution_folded_at_a_half() -> None:
    shares = np.array([draw_mixture(ROWS, LABELS, 1.0, 3, 0, step).share for step in range(2000)])
    assert abs(shares.mean() - 0.75) < 0.01, (
        "Beta(1, 1) is uniform: its greater part is 3/4 in the mean"
    )


def test_the_loss_is_that_of_soft_labels() -> None:
    """With plain cross-entropy, blending two losses equals one loss against the blended one-hot
    labels.
    """
    torch.manual_seed(0)
    logits, mixture = (
        torch.randn(14, 7, dtype=torch.float64),
        draw_mixture(ROWS, LABELS, 0.4, 1, 2, 3),
    )
    soft = mixture.share * functional.one_hot(LABELS, 7) + (1 - mixture.share) * functional.one_hot(
        mixture.labels, 7
    )
    found = mixture.loss(
        lambda labels, rows: functional.cross_entropy(logits, labels),
        lambda labels: float(len(labels)),
        LABELS,
        ROWS,
    )
    assert torch.allclose(found, functional.cross_entropy(logits, soft.double()))


def test_a_teachers_margin_is_taken_from_both_labels() -> None:
    torch.manual_seed(0)
    network = ArcFaceNetwork("test_vit", 32, 16, 0.0, 16.0).eval()
    task = TeacherTask(
        network,
        ArcFaceOptions(margin=0.3, scale=16.0, warmup_epochs=0, ramp_end=0),
        lambda epoch: 1,
        None,
        torch.device("cpu"),
    )
    images, mixture = torch.randn(14, 3, 32, 32), draw_mixture(ROWS, LABELS, 0.4, 1, 2, 3)
    rows = np.arange(14)
    outputs = task.outputs(images, 5)
    mixed, _ = task.loss(outputs, Batch(rows, LABELS, 5, 0, mixture))
    own, other = (
        task.loss(outputs, Batch(rows, labels, 5, 0))[0] for labels in (LABELS, mixture.labels)
    )
    assert torch.allclose(mixed, mixture.share * own + (1 - mixture.share) * other)
    assert not torch.allclose(own, other)
