import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import sha256_file
from fer_core.export.onnx.export import export_files
from fer_core.export.release import release
from fer_core.export.release.answers import fixed_faces
from fer_core.export.release.release import ReleaseFacts, check_release, write_release
from fer_core.models.networks.saved import load_model
from fer_core.predict.metadata import OnnxMetadata
from tests.exports import save_tiny

FACTS = ReleaseFacts("ce-1", "c" * 40, {"seed": 1}, "d" * 64, {"cores": 2})
METRICS: dict[str, Any] = {
    "test_all_sources": {"rows": 9, "raw": {}, "temperature_scaled": {}, "vector": {"metrics": {}}}
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a student's model and its exported files."""
    card = save_tiny(tmp_path / "model")
    network, _ = load_model(tmp_path / "model")
    metadata = OnnxMetadata(
        card.arch,
        "fp32",
        card.preprocessing,
        1.3,
        card.weights_sha256,
        card.rows_sha256,
        "for tests",
    )
    (tmp_path / "onnx").mkdir()
    export_files(network, metadata, 18, ("fp32", "fp16"), tmp_path / "onnx", "student")
    (tmp_path / "onnx" / "MODEL_CARD.md").write_text(f"weights {card.weights_sha256}\n")
    monkeypatch.setattr(release, "read_reliability_metrics", lambda folder: METRICS)
    carried = SimpleNamespace(measured_as="vector")
    monkeypatch.setattr(release, "read_calibration", lambda folder, weights: carried)
    return tmp_path


@pytest.fixture
def released(made: Path) -> Path:
    folder = made / "models" / "tiny"
    write_release(folder, made / "onnx", made / "model", made / "calibration", FACTS)
    return folder


def test_holds_files_weights_results_and_where_they_come_from(made: Path, released: Path) -> None:
    check_release(released)
    names = {
        path.relative_to(released).as_posix() for path in released.rglob("*") if path.is_file()
    }
    assert names == {
        "LICENCE.md",
        "MODEL_CARD.md",
        "answers.json",
        "model/header.json",
        "model/model.json",
        "model/model.safetensors",
        "provenance.json",
        "results.json",
        "student.fp16.onnx",
        "student.fp32.onnx",
    }
    provenance = json.loads((released / "provenance.json").read_text())
    assert provenance["commit"] == FACTS.commit and provenance["params"] == {"seed": 1}
    assert set(provenance["files"]) == names - {"provenance.json"}
    assert load_model(released / "model")[1] == load_model(made / "model")[1]


def test_a_second_release_replaces_the_first_and_gives_the_same_bytes(
    made: Path, released: Path
) -> None:
    before = {path: sha256_file(path) for path in released.rglob("*") if path.is_file()}
    write_release(released, made / "onnx", made / "model", made / "calibration", FACTS)
    assert before == {path: sha256_file(path) for path in released.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["student.fp16.onnx", "MODEL_CARD.md", "model/model.safetensors"])
def test_a_flipped_byte_is_noticed(released: Path, name: str) -> None:
    data = bytearray((released / name).read_bytes())
    data[len(data) // 2] ^= 1
    (released / name).write_bytes(data)
    with pytest.raises(ArtifactError, match="not as it was made"):
        check_release(released)


def test_a_missing_and_an_added_file_are_noticed(released: Path) -> None:
    (released / "extra.txt").write_text("mine")
    with pytest.raises(ArtifactError, match=r"extra\.txt"):
        check_release(released)
    (released / "extra.txt").unlink()
    (released / "results.json").unlink()
    with pytest.raises(ArtifactError, match=r"results\.json"):
        check_release(released)


def _agree(released: Path, name: str) -> None:
    """Write the present hash of a file into the provenance, as a forger would."""
    path = released / "provenance.json"
    provenance = json.loads(path.read_text())
    provenance["files"][name] = sha256_file(released / name)
    path.write_text(json.dumps(provenance))


def _with_weights_named(model: onnx.ModelProto, sha256: str) -> onnx.ModelProto:
    for prop in model.metadata_props:
        if prop.key == "source_model_sha256":
            prop.value = sha256
    return model


def test_other_answers_are_noticed_though_the_hashes_fit(released: Path) -> None:
    path = released / "answers.json"
    answers = json.loads(path.read_text())
    answers["fp16"][3] = answers["fp16"][3][::-1]
    path.write_text(json.dumps(answers))
    _agree(released, "answers.json")
    with pytest.raises(ArtifactError, match="answers it was released with"):
        check_release(released)


def test_a_file_of_other_weights_is_noticed_though_the_hashes_fit(released: Path) -> None:
    file = released / "student.fp16.onnx"
    onnx.save(_with_weights_named(onnx.load(file), "e" * 64), file)
    _agree(released, "student.fp16.onnx")
    with pytest.raises(ArtifactError, match="of other weights"):
        check_release(released)


def test_exports_of_other_weights_are_refused_and_nothing_is_written(made: Path) -> None:
    path = made / "onnx" / "student.fp32.onnx"
    onnx.save(_with_weights_named(onnx.load(path), "e" * 64), path)
    with pytest.raises(DataError, match="not exported from"):
        write_release(
            made / "models" / "tiny", made / "onnx", made / "model", made / "calibration", FACTS
        )
    assert not (made / "models" / "tiny").exists()


def test_a_large_file_is_refused(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match="too large for git"):
        write_release(
            made / "models" / "tiny", made / "onnx", made / "model", made / "calibration", FACTS
        )
    assert not (made / "models" / "tiny").exists()


def test_fixed_faces_are_fixed() -> None:
    digest = hashlib.sha256(b"".join(face.tobytes() for face in fixed_faces())).hexdigest()
    assert digest == "030785b172801c43655eab3e7675d687097529556d8761c80ed5313ebeb4d932"
