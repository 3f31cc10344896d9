import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from fer_core.models.networks.arcface import ArcFaceNetwork, arcface_logits


@given(st.floats(0.0, 3.1), st.floats(0.01, 0.6))
def test_target_logit_is_the_shifted_angles_cosine(theta: float, margin: float) -> None:
    cosine = torch.tensor([[math.cos(theta), 0.2, -0.4]], dtype=torch.float64)
    logits = arcface_logits(cosine, torch.tensor([0]), margin, 30.0)
    assert torch.allclose(logits[0, 1:], 30 * cosine[0, 1:])
    if theta + margin < math.pi - 1e-3:
        assert abs(logits[0, 0].item() - 30 * math.cos(theta + margin)) < 1e-3


def test_target_logit_never_rises_with_the_angle() -> None:
    theta = torch.linspace(0.01, math.pi - 0.01, 500, dtype=torch.float64)
    cosine = theta.cos()[:, None].repeat(1, 7)
    target = arcface_logits(cosine, torch.zeros(500, dtype=torch.int64), 0.35, 30.0)[:, 0]
    assert (target.diff() < 0).all()


def test_without_margin_training_and_inference_logits_are_equal() -> None:
    torch.manual_seed(0)
    network = ArcFaceNetwork("test_resnet", 32, 16, 0.0, 30.0).eval()
    images = torch.randn(4, 3, 32, 32)
    cosine = network.cosine(network.embed(images))
    assert torch.allclose(
        arcface_logits(cosine, torch.tensor([0, 1, 2, 3]), 0.0, 30.0), network(images), atol=1e-4
    )


def test_logits_are_bounded_by_the_scale() -> None:
    network = ArcFaceNetwork("test_convnext", 32, 16, 0.0, 12.0).eval()
    logits = network(torch.randn(8, 3, 32, 32)).detach().numpy()
    assert logits.shape == (8, 7)
    assert np.abs(logits).max() <= 12.0 + 1e-4
