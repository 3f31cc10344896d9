"""Weights for another image size: against timm's own way to change the size of a built network."""

import copy

import pytest
import torch

from fer_core.base.errors import ModelError
from fer_core.models.networks.backbone import build_trunk, load_resized, resampled

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("arch", ["test_vit", "test_vit3"])
def test_position_embeddings_are_resampled_as_timm_does_it(arch: str) -> None:
    torch.manual_seed(0)
    small, large = build_trunk(arch, 32).eval(), build_trunk(arch, 64).eval()
    load_resized(small.state_dict(), large)
    oracle = copy.deepcopy(small)
    oracle.set_input_size(img_size=64)  # type: ignore[operator]
    with torch.inference_mode():
        assert torch.allclose(large(IMAGES), oracle(IMAGES), atol=1e-5)
    assert large.pos_embed.shape[1] > small.pos_embed.shape[1]  # type: ignore[index, union-attr]


@pytest.mark.parametrize("arch", ["test_resnet", "test_convnext2", "test_efficientnet"])
def test_weights_that_know_no_size_stay_as_they_are(arch: str) -> None:
    torch.manual_seed(0)
    small, large = build_trunk(arch, 32), build_trunk(arch, 64)
    load_resized(small.state_dict(), large)
    assert all(
        torch.equal(tensor, small.state_dict()[name]) for name, tensor in large.state_dict().items()
    )


def test_equal_sizes_change_nothing() -> None:
    state = build_trunk("test_vit", 32).state_dict()
    assert resampled(state, build_trunk("test_vit", 32)).items() == state.items()


def test_another_network_is_refused() -> None:
    with pytest.raises(ModelError, match="another image size"):
        load_resized(build_trunk("test_resnet", 32).state_dict(), build_trunk("test_convnext2", 32))
    with pytest.raises(ModelError, match="image size"):
        load_resized(
            build_trunk("test_vit", 32).state_dict(), build_trunk("vit_tiny_patch16_224", 64)
        )
