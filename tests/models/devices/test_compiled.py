"""Compiled networks; torch's own compiler is left out (backend "eager"), for it takes minutes, so
this is about what is handed to it.
"""

import copy
from functools import partial

import pytest
import torch

from fer_core.models.devices import distributed
from fer_core.models.devices.device import compile_for_training, compile_network
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.backbone import build_classifier
from fer_core.training.losses.ce import CE
from fer_core.training.students.terms import Auxiliary

ARCH = "test_resnet"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))


@pytest.mark.parametrize("kind", ["student", "teacher"])
def test_a_compiled_network_keeps_its_names_and_its_answers_and_learns_the_same(kind: str) -> None:
    torch.manual_seed(0)
    plain = (
        build_classifier(ARCH, 32) if kind == "student" else ArcFaceNetwork(ARCH, 32, 16, 0.0, 30.0)
    )
    compiled = copy.deepcopy(plain)
    compile_network(compiled)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    assert [name for name, _ in compiled.named_parameters()] == [
        name for name, _ in plain.named_parameters()
    ]
    for count in (6, 4):
        images = torch.randn(count, 3, 32, 32)
        for network in (plain, compiled):
            network.train()(images).square().sum().backward()
        for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
            assert (one.grad is None) == (other.grad is None)
            assert one.grad is None or torch.allclose(one.grad, other.grad, atol=1e-4)
        with torch.inference_mode():
            assert torch.allclose(plain.eval()(images), compiled.eval()(images), atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0, "something was compiled"
    copied = copy.deepcopy(compiled)
    assert all(layer._compiled_call_impl is None for layer in copied.modules()), (
        "the averaged copy is a plain network"
    )


def test_training_is_not_compiled_where_something_acts_on_its_layers_and_a_warning_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network = build_classifier(ARCH, 32)
    assert not compile_for_training(network, batch_norm_group=4)
    assert "batch_norm_group" in caplog.text
    with monkeypatch.context() as patch:
        patch.setattr(distributed, "size", lambda: 2)
        assert not compile_for_training(network, 0)
    assert "several processes" in caplog.text
    options = CE(label_smoothing=0.0, proto={"weight": 0.5})
    hooked = build_classifier(ARCH, 32)
    Auxiliary(options, hooked, torch.zeros(4).numpy(), torch.arange(4).numpy(), None, seed=1, epochs=4)
    assert not compile_for_training(hooked, 0)
    assert "features from within" in caplog.text
    assert network._compiled_call_impl is None and hooked._compiled_call_impl is None
    assert compile_for_training(network, 0) and network._compiled_call_impl is not None
