"""Batch normalisation in groups: against the formula by hand, and what a split of the batch over
devices must not change.
"""

import copy

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fer_core.training.loop.layers import GroupedBatchNorm


def layer(channels: int = 3) -> nn.BatchNorm2d:
    torch.manual_seed(1)
    norm = nn.BatchNorm2d(channels).double()
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        assert tensor is not None
        nn.init.uniform_(tensor, 0.5, 1.5)
    return norm


def by_hand(norm: nn.BatchNorm2d, rows: Tensor) -> Tensor:
    """Ioffe & Szegedy, algorithm 1, on all rows given."""
    mean = rows.mean(dim=(0, 2, 3), keepdim=True)
    variance = ((rows - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
    shape = (1, -1, 1, 1)
    return (rows - mean) / (variance + norm.eps).sqrt() * norm.weight.view(shape) + norm.bias.view(
        shape
    )


def test_each_group_is_normalised_by_its_own_statistics() -> None:
    norm, images = layer(), torch.randn(6, 3, 4, 5, dtype=torch.float64) * 3 + 1
    before = norm.running_mean.clone(), norm.running_var.clone()  # type: ignore[union-attr]
    with GroupedBatchNorm(2):
        found = norm(images)
    parts = images.split(2)
    assert torch.allclose(found, torch.cat([by_hand(norm, part) for part in parts]))
    mean = torch.stack([part.mean(dim=(0, 2, 3)) for part in parts]).mean(dim=0)
    variance = torch.stack(
        [part.transpose(0, 1).flatten(1).var(dim=1, unbiased=True) for part in parts]
    ).mean(dim=0)
    assert torch.allclose(norm.running_mean, 0.9 * before[0] + 0.1 * mean)  # type: ignore[arg-type]
    assert torch.allclose(norm.running_var, 0.9 * before[1] + 0.1 * variance)  # type: ignore[arg-type]
    assert norm.num_batches_tracked == 1


def test_gradients_are_those_of_the_groups() -> None:
    norm, images = layer(), torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    with GroupedBatchNorm(2):
        (norm(images) ** 3).sum().backward()
    found, images.grad = images.grad, None
    (torch.cat([by_hand(norm, part) for part in images.split(2)]) ** 3).sum().backward()
    assert found is not None and images.grad is not None
    assert torch.allclose(found, images.grad)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 4), st.integers(1, 3), st.integers(1, 3))
def test_devices_that_share_a_batch_give_what_one_device_gives(
    group: int, per_device: int, devices: int
) -> None:
    """Each device holds whole groups; their running statistics are averaged, as after an
    all-reduce.
    """
    whole, images = layer(), torch.randn(group * per_device * devices, 3, 2, 2, dtype=torch.float64)
    shared = [copy.deepcopy(whole) for _ in range(devices)]
    with GroupedBatchNorm(group):
        expected = whole(images)
        found = torch.cat(
            [
                norm(part)
                for norm, part in zip(shared, images.split(group * per_device), strict=True)
            ]
        )
    assert torch.allclose(found, expected)
    for name in ("running_mean", "running_var"):
        assert torch.allclose(
            torch.stack([getattr(norm, name) for norm in shared]).mean(dim=0), getattr(whole, name)
        )


@pytest.mark.parametrize(("rows", "sizes"), [(5, [2, 3]), (3, [3]), (2, [2]), (7, [2, 2, 3])])
def test_what_is_over_joins_the_last_group(rows: int, sizes: list[int]) -> None:
    norm, images = layer(), torch.randn(rows, 3, 2, 2, dtype=torch.float64)
    with GroupedBatchNorm(2):
        found = norm(images)
    assert torch.allclose(found, torch.cat([by_hand(norm, part) for part in images.split(sizes)]))


def test_evaluation_is_left_alone() -> None:
    norm, images = layer().eval(), torch.randn(6, 3, 2, 2, dtype=torch.float64)
    with GroupedBatchNorm(2):
        found = norm(images)
    assert torch.equal(found, norm(images))


def test_timms_fused_layers_and_rows_of_vectors_are_grouped_as_well() -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=7).train()
    head = nn.Sequential(network, nn.BatchNorm1d(7)).train()
    images = torch.randn(8, 3, 32, 32)
    with GroupedBatchNorm(4):
        grouped = head(images)
    assert torch.allclose(grouped, torch.cat([head(part) for part in images.split(4)]), atol=1e-5)
    assert not torch.allclose(grouped, head(images), atol=1e-2)
