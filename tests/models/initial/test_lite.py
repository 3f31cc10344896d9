"""The package's names lead to timm's, for every tensor and with its shape."""

import pytest
import timm
import torch

from fer_core.models.initial.lite import in_timm_names, is_of_package

ARCH = "tf_efficientnet_lite0"
WIDTHS = {"lite0": (16, 24, 40, 80, 112, 192, 320), "lite2": (16, 24, 48, 88, 120, 208, 352)}
REPEATS = {"lite0": (1, 2, 2, 3, 3, 4, 1), "lite1": (1, 3, 3, 4, 4, 5, 1)}
"""As written down from the packages' own weights."""


def packaged(size: str = "lite0") -> dict[str, torch.Tensor]:
    """The package's state, names and shapes written down from its layout: stem, blocks, head,
    classifier.
    """
    state: dict[str, torch.Tensor] = {}

    def conv(name: str, *shape: int) -> None:
        state[f"{name}.weight"] = torch.zeros(shape)

    def norm(name: str, width: int) -> None:
        for what in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{what}"] = torch.zeros(width)
        state[f"{name}.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)

    conv("_conv_stem", 32, 3, 3, 3)
    norm("_bn0", 32)
    widths = WIDTHS.get(size, WIDTHS["lite0"])
    depths = REPEATS.get(size, REPEATS["lite1"])
    stages = zip((1, 6, 6, 6, 6, 6, 6), widths, (3, 3, 5, 3, 5, 5, 3), depths, strict=True)
    number, narrow = 0, 32
    for expand, out, kernel, repeats in stages:
        for _ in range(repeats):
            wide = narrow * expand
            if expand > 1:
                conv(f"_blocks.{number}._expand_conv", wide, narrow, 1, 1)
                norm(f"_blocks.{number}._bn0", wide)
            conv(f"_blocks.{number}._depthwise_conv", wide, 1, kernel, kernel)
            norm(f"_blocks.{number}._bn1", wide)
            conv(f"_blocks.{number}._project_conv", out, wide, 1, 1)
            norm(f"_blocks.{number}._bn2", out)
            number, narrow = number + 1, out
    conv("_conv_head", 1280, widths[-1], 1, 1)
    norm("_bn1", 1280)
    state["_fc.weight"], state["_fc.bias"] = torch.zeros(1000, 1280), torch.zeros(1000)
    return state


@pytest.mark.parametrize("size", ["lite0", "lite1", "lite2"])
def test_every_tensor_finds_its_place_with_its_shape(size):
    arch = f"tf_efficientnet_{size}"
    expected = {
        name: tuple(tensor.shape) for name, tensor in timm.create_model(arch).state_dict().items()
    }
    found = in_timm_names(packaged(size), arch)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == expected


def test_other_states_are_told_apart_and_odd_names_match_nothing():
    assert is_of_package(packaged())
    assert not is_of_package(timm.create_model(ARCH).state_dict())
    odd = in_timm_names(
        {"_blocks.16._bn0.weight": torch.zeros(1), "_blocks.3._se_reduce.weight": torch.zeros(1)},
        ARCH,
    )
    assert not set(odd) & set(timm.create_model(ARCH).state_dict())
