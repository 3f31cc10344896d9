"""Memory that a training takes is known before it starts."""

import subprocess
import sys

import pytest
import torch

from fer_core.base.errors import ModelError
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.backbone import build_classifier
from fer_core.training.loop import footprint
from fer_core.training.loop.footprint import check_memory, training_bytes
from fer_core.training.loop.options import TrainOptions

OPTIONS = TrainOptions(
    epochs=1,
    batch=32,
    lr=1e-3,
    min_lr=0,
    weight_decay=0.05,
    lr_warmup_epochs=0,
    balance="none",
    grad_clip=0,
    precision="fp32",
)
MEASURE = """
import psutil, torch
from fer_core.models.networks.backbone import build_classifier
network = build_classifier("{arch}", {size}).train()
optimiser = torch.optim.AdamW(network.parameters())
before, peak = psutil.Process().memory_info().rss, 0
for _ in range(2):
    optimiser.zero_grad()
    loss = network(torch.randn(32, 3, {size}, {size})).sum()
    peak = max(peak, psutil.Process().memory_info().rss)
    loss.backward()
    optimiser.step()
print(peak - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other ways elsewhere")
@pytest.mark.parametrize(("arch", "size"), [("resnet18", 96), ("mobilenetv3_large_100", 96)])
def test_it_is_about_what_a_process_grows_by(arch: str, size: int) -> None:
    code = MEASURE.format(arch=arch, size=size)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = training_bytes(build_classifier(arch, size), size, OPTIONS)
    assert 0.7 < found / float(done.stdout) < 1.6


def test_a_size_that_the_network_refuses_is_told_before_the_first_step() -> None:
    network = build_classifier("test_vit", 160)
    with pytest.raises(ModelError, match=r"no images of this size[\s\S]*100 px") as caught:
        check_memory(network, 100, OPTIONS, torch.device("cpu"))
    assert "remedy" in str(caught.value)


class Looks(torch.nn.Module):
    """Its answer depends on a value, which a pass of shapes does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 7)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = images.mean().item() > 0
        return self.layer(images.mean((2, 3)) * bright)


class Lists(Looks):
    """The same, by an operator that there is no pass of shapes for."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images.mean((2, 3))[images.nonzero()[:1, 0]])


@pytest.mark.parametrize("network", [Looks(), Lists()])
def test_a_network_that_looks_at_values_trains_with_its_memory_unknown(
    network: torch.nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    check_memory(network, 32, OPTIONS, torch.device("cpu"))
    assert "memory this training takes is not known" in caplog.text


def test_a_refusal_that_speaks_of_metadata_is_a_refusal() -> None:
    class Refuses(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise ValueError("metadata of these images say 100 px")

    with pytest.raises(ModelError, match="metadata of these"):
        check_memory(Refuses(), 100, OPTIONS, torch.device("cpu"))


def test_parts_of_a_batch_precision_and_a_frozen_network_take_less() -> None:
    network = build_classifier("test_resnet", 40)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    seed = torch.random.get_rng_state()
    whole = training_bytes(network, 40, OPTIONS)
    weights = 4 * sum(weight.numel() for weight in network.parameters())
    half = training_bytes(network, 40, OPTIONS.model_copy(update={"accumulation": 2}))
    assert whole - 4 * weights == pytest.approx(2 * (half - 4 * weights))
    low = training_bytes(network, 40, OPTIONS.model_copy(update={"precision": "bf16"}))
    assert low == pytest.approx(half)
    averaged = training_bytes(network, 40, OPTIONS.model_copy(update={"ema": 0.9}))
    assert averaged == pytest.approx(whole + weights)
    assert torch.equal(seed, torch.random.get_rng_state())
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    network.requires_grad_(False)
    assert training_bytes(network, 40, OPTIONS) < whole


def test_a_teacher_takes_what_its_backbone_does_and_a_little_more() -> None:
    network = build_classifier("test_resnet", 40)
    teacher = ArcFaceNetwork("test_resnet", 40, 16, 0.2, 16.0)
    plain, angular = (training_bytes(one, 40, OPTIONS) for one in (network, teacher))
    assert plain < angular < 1.5 * plain


def test_a_network_that_does_not_fit_is_refused_with_what_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, cpu = build_classifier("test_resnet", 40), torch.device("cpu")
    whole = training_bytes(network, 40, OPTIONS)
    monkeypatch.setattr(footprint, "available_memory", lambda: int(whole))
    check_memory(network, 40, OPTIONS, cpu)
    monkeypatch.setattr(footprint, "available_memory", lambda: int(0.9 * whole))
    with pytest.raises(ModelError, match=r"does not fit(.|\n)*accumulation: 2 "):
        check_memory(network, 40, OPTIONS, cpu)
    monkeypatch.setattr(footprint, "available_memory", lambda: 1000)
    with pytest.raises(ModelError, match=r"remedy: a smaller network"):
        check_memory(network, 40, OPTIONS, cpu)
