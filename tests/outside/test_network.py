"""A network from elsewhere: its own preprocessing, order of classes and shape of batches."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fer_core.base.errors import ModelError
from fer_core.outside.answering.network import LEAST, OutsideNetwork
from tests.outside.peers import COLUMNS, network_entry, parsed, weights, write_network

SIDE = 20
PICTURES = np.random.default_rng(0).integers(0, 256, (7, SIDE, SIDE, 3), dtype=np.uint8)
STATISTICS = {"scale": 127.5, "mean": [0.9, 1.0, 1.1], "std": [0.5, 0.6, 0.7]}


def expected(prepared: np.ndarray) -> np.ndarray:
    """Answers to images [n, side, side, channels] as the network takes them."""
    matrix, bias = weights(prepared.shape[-1])
    return (prepared.mean(axis=(1, 2)) @ matrix + bias)[:, COLUMNS]


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("batch", ["N", 1, 3])
@pytest.mark.parametrize("colour", ["rgb", "bgr", "grey"])
def test_it_sees_what_its_entry_says(tmp_path: Path, layout: str, batch: Any, colour: str) -> None:
    channels = 1 if colour == "grey" else 3
    write_network(tmp_path / "peer.onnx", SIDE, channels=channels, layout=layout, batch=batch)
    statistics = {"scale": 255, "mean": 0.4, "std": 0.3} if colour == "grey" else STATISTICS
    takes = {"layout": layout, "colour": colour, **statistics}
    entry = parsed(network_entry("peer.onnx", SIDE, preprocessing=takes))
    found = OutsideNetwork(tmp_path / "peer.onnx", entry, 1).logits(PICTURES)

    seen = PICTURES.astype(np.float64)
    if colour == "bgr":
        seen = seen[..., ::-1]
    elif colour == "grey":
        seen = np.stack([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in PICTURES])[..., None]
    answers = expected(
        (seen / statistics["scale"] - np.array(statistics["mean"])) / np.array(statistics["std"])
    )
    assert found.shape == (7, 7) and found.dtype == np.float32
    assert np.allclose(found, answers, atol=1e-4)


def test_probabilities_become_log_probabilities_that_are_finite(tmp_path: Path) -> None:
    write_network(tmp_path / "peer.onnx", SIDE, softmax=True)
    takes = {"scale": 0.5, "mean": 0.0, "std": 1.0}  # so large that some probabilities are 0
    entry = parsed(network_entry("peer.onnx", SIDE, preprocessing=takes, answers="probabilities"))
    found = OutsideNetwork(tmp_path / "peer.onnx", entry, 1).logits(PICTURES)
    matrix, bias = weights()
    z = (PICTURES / 0.5).mean(axis=(1, 2)) @ matrix + bias
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    assert np.allclose(found, np.log(np.maximum(p, LEAST))[:, COLUMNS], atol=1e-2)
    assert np.isclose(found.min(), np.log(LEAST))


@pytest.mark.parametrize(
    ("written", "changes", "told"),
    [
        ({"layout": "nhwc"}, {}, ["input", "layout", "N, 3, 20, 20"]),
        ({"channels": 1}, {}, ["colour", "N, 3, 20, 20"]),
        ({}, {"preprocessing": {"side": 24}}, ["side", "20, 20", "24"]),
        ({}, {"preprocessing": {"input": "image"}}, ["no such input", "image", "picture"]),
        ({}, {"preprocessing": {"output": "p"}}, ["no such output", "p", "answers"]),
        ({}, {"classes": "without contempt"}, ["8", "7", "classes", "null"]),
        ({}, {"answers": "probabilities"}, ["no probability", "answers: logits"]),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, written: dict[str, Any], changes: dict[str, Any], told: list[str]
) -> None:
    write_network(tmp_path / "peer.onnx", SIDE, **written)
    values = network_entry("peer.onnx", SIDE) | changes
    values["preprocessing"] = {"side": SIDE} | values["preprocessing"]
    if values["classes"] == "without contempt":
        values["classes"] = [name for name in network_entry("", SIDE)["classes"] if name]
    with pytest.raises(ModelError) as caught:
        OutsideNetwork(tmp_path / "peer.onnx", parsed(values), 1).logits(PICTURES)
    assert all(text in str(caught.value) for text in ["peer.onnx", *told])


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "peer.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"no ONNX network.*\n.*peer\.onnx"):
        OutsideNetwork(tmp_path / "peer.onnx", parsed(network_entry("peer.onnx", SIDE)), 1)


def test_an_answer_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    write_network(tmp_path / "peer.onnx", SIDE)
    entry = parsed(network_entry("peer.onnx", SIDE, preprocessing={"scale": 1e-38}))
    with pytest.raises(ModelError, match="not finite"):
        OutsideNetwork(tmp_path / "peer.onnx", entry, 1).logits(PICTURES)
