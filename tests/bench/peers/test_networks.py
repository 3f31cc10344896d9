"""Peers: asked as they take pictures, answering in our order, and refused where they are others."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bench.peers.networks import PEERS, Peer, PeerNetwork, present_peers
from bench.peers.scores import answers_of
from fer_core.base.errors import ModelError
from fer_core.base.labels import CLASSES

ZOO = PEERS[0]


def network(path: Path, outputs: int, batch: str | int = "n") -> Path:
    """Answers 0, 1, 2, … to whatever it sees."""
    values = helper.make_tensor("v", TensorProto.FLOAT, [1, outputs], list(range(outputs)))
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["m", "axis"], ["u"]),
        helper.make_node("Mul", ["u", "zero"], ["z"]),
        helper.make_node("Add", ["z", "v"], ["y"]),
    ]
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 112, 112])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [values, *constants],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, path)
    return path


def faces(count: int) -> list[np.ndarray]:
    return [np.full((48, 48, 3), 90, dtype=np.uint8)] * count


def test_a_network_of_single_images_is_asked_one_by_one_and_answers_in_our_order(
    tmp_path: Path,
) -> None:
    path = network(tmp_path / "a.onnx", 7, batch=1)
    answers = answers_of(PeerNetwork(ZOO, path), faces(3), "a")
    assert answers.tolist() == [[float(ZOO.order.index(name)) for name in CLASSES]] * 3


def test_a_network_with_another_number_of_outputs_is_refused(tmp_path: Path) -> None:
    peer = PeerNetwork(ZOO, network(tmp_path / "a.onnx", 8))
    with pytest.raises(ModelError, match=r"(?s)not its seven classes.*a\.onnx.*8.*Model zoo|zoo"):
        answers_of(peer, faces(1), "a")


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "a.onnx").write_text("no network")
    with pytest.raises(ModelError, match="cannot load this peer"):
        PeerNetwork(ZOO, path)


def test_a_network_of_other_inputs_is_refused(tmp_path: Path) -> None:
    grey: Peer = next(peer for peer in PEERS if peer.file == "fer_mini_xception.onnx")
    peer = PeerNetwork(grey, network(tmp_path / "a.onnx", 7))
    with pytest.raises(ModelError, match="cannot run this peer"):
        answers_of(peer, faces(1), "a")


def test_an_absent_peer_is_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network(tmp_path / ZOO.file, 7)
    with caplog.at_level("WARNING"):
        assert [peer for _, peer in present_peers(tmp_path)] == [ZOO]
    assert all(peer.file in caplog.text for peer in PEERS[1:])


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.file)
def test_a_prepared_picture_has_the_size_that_is_timed(peer: Peer) -> None:
    prepared = peer.prepare(np.full((30, 40, 3), 255, dtype=np.uint8))
    assert prepared.dtype == np.float32 and prepared.shape.count(peer.size) == 2
    assert sorted(peer.order) == sorted(CLASSES)
