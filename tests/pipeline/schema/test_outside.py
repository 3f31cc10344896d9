"""Teachers from elsewhere in a parameter file."""

from typing import Any

import pytest

from fer_core.base.errors import ParamsError
from fer_core.pipeline.schema.check import check_params, check_sources
from tests.outside.peers import network_entry
from tests.pipeline.schema.faults import HOSTILE, PATH, ROOT, params_after

PEER = network_entry("peers/face.onnx", 48)
TABLE = {"logits": "peers/face.parquet", "trained_on": ["FER2013"], "overlap": "part"}


def with_peer(**changes: Any) -> dict[str, Any]:
    entry = (TABLE if "logits" in changes else PEER) | changes
    given = {name: value for name, value in entry.items() if value is not None}
    return params_after(lambda params: params["teachers"].update(peer=given))


@pytest.mark.parametrize("entry", [PEER, TABLE])
def test_a_teacher_from_elsewhere_is_an_entry_of_teachers(entry: dict[str, Any]) -> None:
    check_params(params_after(lambda params: params["teachers"].update(peer=entry)), PATH)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trained_on": None}, ["peer.trained_on", "required"]),
        ({"trained_on": []}, ["peer.trained_on"]),
        ({"trained_on": [" "]}, ["peer.trained_on"]),
        ({"overlap": None}, ["peer.overlap", "required"]),
        ({"overlap": "perhaps"}, ["peer.overlap", "perhaps", "unknown"]),
        ({"overlap": {"sample_expw": "none"}}, ["peer.overlap", "sample_fer2013", "unknown"]),
        ({"overlap": {"elsewhere": "none"}}, ["peer.overlap", "elsewhere", "test_all_sources"]),
        ({"preprocessing": None}, ["onnx needs preprocessing"]),
        ({"preprocessing": {"side": 8}}, ["peer.preprocessing.side", "16"]),
        ({"preprocessing": {"side": 48, "std": 0}}, ["std must be greater than 0"]),
        ({"preprocessing": {"side": 48, "mean": [1, 2]}}, ["peer.preprocessing.mean"]),
        (
            {"preprocessing": {"side": 48, "colour": "grey", "mean": [0.1, 0.2, 0.3]}},
            ["a grey input has one mean"],
        ),
        ({"preprocessing": {"side": 48, "colour": "lab"}}, ["peer.preprocessing.colour", "lab"]),
        ({"preprocessing": {"side": 48, "clahe": True}}, ["peer.preprocessing.clahe"]),
        ({"classes": None}, ["onnx needs classes"]),
        ({"classes": ["Happy"] * 7}, ["classes must hold each of", "once"]),
        ({"classes": [*PEER["classes"], "Contempt"]}, ["classes must hold each of"]),
        ({"arch": "resnet18"}, ["peer.arch"]),
        ({"stage": "b"}, ["peer.stage"]),
        ({"views": "a" * 64}, ["views is of a table"]),
        ({"logits": "x.parquet", "onnx": "x.onnx"}, ["either onnx or logits"]),
        ({"logits": "x.npz"}, [".parquet or .csv"]),
        ({"logits": "x.csv", "classes": PEER["classes"]}, ["logits has none"]),
        ({"onnx": "../x.onnx"}, ["peer.onnx"]),
        ({"onnx": "/x.onnx"}, ["peer.onnx"]),
    ],
)
def test_a_faulty_teacher_from_elsewhere_is_named_by_its_key(
    changes: dict[str, Any], told: list[str]
) -> None:
    with pytest.raises(ParamsError) as caught:
        check_params(with_peer(**changes), PATH)
    assert all(text in str(caught.value) for text in ["teachers.peer", *told])


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("key", ["onnx", "logits"])
def test_a_file_from_elsewhere_can_be_no_more_than_a_path(key: str, value: str) -> None:
    with pytest.raises(ParamsError, match=rf"teachers\.peer\.{key}"):
        check_params(with_peer(**{key: value}), PATH)


def test_a_statement_may_be_on_a_named_set_beside_the_data_sets() -> None:
    sources = params_after(lambda params: None)["manifest"]["sources"]
    overlap = dict.fromkeys(sources, "unknown") | {"test_all_sources": "part"}
    check_params(with_peer(overlap=overlap), PATH)


def test_nobody_asks_for_the_weights_of_a_teacher_from_elsewhere() -> None:
    params = with_peer()
    params["deploy"]["teachers"] = ["peer"]
    with pytest.raises(ParamsError, match=r"deploy\.teachers[\s\S]*no weights to export"):
        check_params(params, PATH)


def test_the_file_of_a_teacher_from_elsewhere_must_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ParamsError, match=r"peers/face\.onnx[\s\S]*known to git or DVC"):
        check_sources(with_peer(), PATH)
