"""The first blocks of a timm network: the same function as far as they go, and its weights."""

import pytest
import timm
import torch

from fer_core.base.errors import ModelError
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.backbone import build_classifier, build_trunk, load_resized
from fer_core.models.networks.first_blocks import Cut, cut_of

LITE = "tf_efficientnet_lite0"
IMAGES = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_a_name_says_the_network_and_how_many_of_its_blocks() -> None:
    assert cut_of(f"{LITE}_first12") == Cut(LITE, 12)
    for name in (LITE, "resnet9_w24", f"{LITE}_first", f"{LITE}_firstx", "nobody_first3"):
        assert cut_of(name) is None


@pytest.mark.parametrize(
    ("arch", "whole", "layer"),
    [
        (f"{LITE}_first12", LITE, "blocks.5.0"),
        (f"{LITE}_first11", LITE, "blocks.4"),
        (f"{LITE}_first16", LITE, "blocks"),
        ("mobilenetv3_small_050_first3", "mobilenetv3_small_050", "blocks.1.1"),
    ],
)
def test_features_are_the_means_of_the_whole_networks_layer(
    arch: str, whole: str, layer: str
) -> None:
    """Oracle: timm's network, looked at after that layer."""
    torch.manual_seed(1)
    network = timm.create_model(whole, num_classes=0).eval()
    seen: list[torch.Tensor] = []
    network.get_submodule(layer).register_forward_hook(lambda *call: seen.append(call[2]))
    trunk = build_trunk(arch, 64).eval()
    weights = network.state_dict()
    trunk.load_state_dict({name: weights[name] for name in trunk.state_dict()})
    with torch.inference_mode():
        network(IMAGES)
        features = trunk(IMAGES)
    assert features.shape == (3, trunk.num_features)
    torch.testing.assert_close(features, seen[0].mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_it_serves_a_student_and_a_teacher_at_any_size() -> None:
    arch = f"{LITE}_first4"
    assert build_classifier(arch, 48)(IMAGES).shape == (3, 7)
    small, large = (ArcFaceNetwork(arch, size, 16, 0.2, 16.0) for size in (48, 64))
    load_resized(small.trunk.state_dict(), large.trunk)
    assert large(IMAGES).shape == (3, 7) and large.training


@pytest.mark.parametrize(
    ("arch", "what"),
    [
        (f"{LITE}_first0", "first1 to tf_efficientnet_lite0_first16"),
        (f"{LITE}_first17", "first1 to tf_efficientnet_lite0_first16"),
        ("resnet18_first3", "network of inverted-residual blocks"),
        ("test_vit_first2", "network of inverted-residual blocks"),
        ("nobody_first2", "NAME_firstN"),
    ],
)
def test_what_cannot_be_cut_is_refused_and_the_error_tells_what_can(arch: str, what: str) -> None:
    with pytest.raises(ModelError, match=what):
        build_classifier(arch, 64)
