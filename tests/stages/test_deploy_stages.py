"""The stages onnx, onnx_teacher and latency in a folder of their own."""

import json
import logging
import re
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import onnx as onnx_format
import pandas as pd
import pytest
import torch
import yaml
from scipy.special import softmax

from fer_core.base.errors import ArtifactError, DataError, ModelError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.base.labels import CLASSES
from fer_core.evaluation.calibration.calibrators import Calibrator, Temperature, Vector
from fer_core.evaluation.calibration.choice import CalibrationChoice, FittedMethod
from fer_core.evaluation.calibration.report import Calibration, CalibrationReport, write_calibration
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import evaluate_logits
from fer_core.evaluation.selective.report import Fitted, write_fitted
from fer_core.export.latency.records import read_latency, read_promotions
from fer_core.export.onnx.gates import GATES, read_parity
from fer_core.export.onnx.report import read_export_report
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.saved import save_model
from fer_core.outside.described.description import OutsideTeacher, write_outside
from fer_core.predict.intended_use import EU_LAW, INTENDED_USE, NOT_FOR
from fer_core.predict.predictor import Predictor
from stages import latency, onnx, onnx_teacher, reference
from tests.artifacts import rewrite
from tests.exports import (
    ARCH,
    PREPROCESSING,
    TEMPERATURE,
    faces,
    save_tiny,
    write_test_pack,
)
from tests.outside.peers import network_entry, parsed

PARAMS = """
deploy: {student: kd-1, opset: 18, precisions: [fp32, fp16, int8], licence: for tests}
latency: {rounds: 1, calls: 2, batches: [1], threads: [1]}
"""
ROWS = 28
PLAIN = Temperature(TEMPERATURE)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calibration:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_THREADS", "1")
    monkeypatch.setitem(
        GATES, "int8", replace(GATES["int8"], macro_f1=0.5)
    )  # one of 28 faces is worth more than the true bound
    return lay_out(PARAMS)


def lay_out(params: str) -> Calibration:
    """A trained and calibrated tiny student in the working folder, ready for export."""
    Path("params.yaml").write_text(params)
    card = save_tiny(Path("data/students/kd-1/model"))
    write_test_pack(Path("data/pack/test"), ROWS)
    write_test_pack(Path("data/pack/dev"), 84, ("train", "calib", "val"))
    write_json(
        Path("data/sources/tiny.json"), {"name": "tiny", "licence": "drawn for tests | free"}
    )
    fitted = Fitted(0.1, 0.8, 0.1, dict.fromkeys(CLASSES, 0.1), {"0.1": 0.8}, 28)
    write_fitted(Path("data/selective"), fitted, card.weights_sha256)
    return write_reliable("kd-1", card.weights_sha256)


def write_reliable(key: str, weights: str, chosen: Calibrator = PLAIN) -> Calibration:
    """A calibration of some weights, with what it does on a named test set."""
    fitted = {one.method: one for one in (PLAIN, chosen)}
    methods = {name: FittedMethod(one, 1.9, 1.9, 0.1, 0.0, 0.0) for name, one in fitted.items()}
    choice = CalibrationChoice(chosen.method, 5, methods, {})
    calibration = Calibration(
        key, TEMPERATURE, ROWS, 2.0, 1.9, "d" * 64, weights, choice, chosen.method
    )
    logits, labels = np.random.default_rng(0).normal(size=(ROWS, 7)), np.arange(ROWS) % 6
    options = EvaluationOptions.model_validate(
        {"bootstrap": 100, "bins": 15, "compare_set": "everything"}
    )
    floor = {"mean": 0.123, "p95": 0.234}
    measured = {
        "rows": ROWS,
        "raw": evaluate_logits(logits, labels, options, 0),
        "temperature_scaled": evaluate_logits(logits, labels, options, 0, TEMPERATURE),
        "ece_floor": floor,
    }
    measured[calibration.measured_as] = {
        **evaluate_logits(chosen.apply(logits), labels, options, 0),
        "floor": {"ece": floor},
    }
    write_calibration(
        Path("data/calibration") / key,
        CalibrationReport(calibration, {"val": measured, "everything": measured}, pd.DataFrame()),
    )
    return calibration


def make_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another network: the true one takes ten times as long to export."""
    monkeypatch.setattr("fer_core.export.onnx.reference.REFERENCE", ARCH)
    preprocessing = json.loads(json.dumps(asdict(PREPROCESSING)))
    text = yaml.safe_dump({"preprocessing": preprocessing})
    with Path("params.yaml").open("a", encoding="utf-8") as file:
        file.write(text)
    reference.main()


def test_the_reference_has_the_students_size_and_the_same_bytes_again(
    project: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("params.yaml").open("a", encoding="utf-8") as file:
        file.write("student: {preprocessing: {size: 40}}\n")
    make_reference(monkeypatch)
    (made,) = Path("data/reference").iterdir()
    assert Predictor(made).metadata.preprocessing.size == 40 != PREPROCESSING.size
    before = made.read_bytes()
    reference.main()
    assert made.read_bytes() == before


def test_student_is_exported_proved_and_timed(
    project: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.main()
    names = {path.name for path in Path("data/onnx").iterdir()}
    files = {f"student.{precision}.onnx" for precision in ("fp32", "fp16", "int8")}
    assert names == {*files, "onnxexportreport.json", "onnxparity.json", "MODEL_CARD.md"}
    parity = read_parity(Path("data/onnx/onnxparity.json"))
    assert parity["rows_used"] == parity["rows_expected"] == ROWS and all(
        record["pass"] for record in parity["precisions"].values()
    )
    for record in read_export_report(Path("data/onnx/onnxexportreport.json")):
        metadata = Predictor(Path("data/onnx") / record["file"]).metadata
        assert (metadata.temperature, metadata.source_model_sha256) == (
            TEMPERATURE,
            project.model_sha256,
        )
        assert metadata.auto_threshold(record["file"]) == 0.8
        assert record["checkpoint_hash"] == project.model_sha256 and record["paritycheck"]["pass"]
    assert read_json(Path("data/onnx/onnxexportreport.json"))["quantisation"]["faces"] == ROWS, (
        "calib rows alone"
    )

    make_reference(monkeypatch)
    latency.main()
    table = read_latency(Path("metrics/latencybenchmarks.csv"))
    timed = {
        ("reference", "fp32"),
        *(("kd-1", precision) for precision in ("fp32", "fp16", "int8")),
    }
    ours, search = table[table["scope"] != "photo"], table[table["scope"] == "photo"]
    assert set(zip(ours["model"], ours["precision"], strict=True)) == timed
    for column in ("ratio_to_reference", "ratio_to_fp32", "memory_mb"):
        assert np.isfinite(ours[column]).all(), column
    assert set(search["model"]) == {"detector"} and (search["p50_ms"] > 0).all()
    (verdict,) = read_promotions(Path("metrics/onnxpromotion.json"))
    assert verdict.time_share is not None and verdict.promoted == (verdict.time_share <= 0.9)


def test_another_run_gives_the_same_bytes(project: Calibration) -> None:
    onnx.main()
    first = {path.name: path.read_bytes() for path in Path("data/onnx").iterdir()}
    onnx.main()
    assert {path.name: path.read_bytes() for path in Path("data/onnx").iterdir()} == first


def test_eight_bits_that_lose_too_much_are_not_handed_out_and_stop_nothing(
    project: Calibration, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(GATES, "int8", replace(GATES["int8"], macro_f1=-0.5))
    with caplog.at_level(logging.WARNING):
        onnx.main()
    assert "student.int8.onnx is not handed out: drop of macro-F1" in caplog.text
    assert not Path("data/onnx/student.int8.onnx").exists()
    assert [
        record["precision"]
        for record in read_export_report(Path("data/onnx/onnxexportreport.json"))
    ] == ["fp32", "fp16"]
    assert (
        "drop of macro-F1"
        in read_parity(Path("data/onnx/onnxparity.json"))["refused"]["int8"]["reasons"][0]
    )
    assert "not handed out: drop of macro-F1" in Path("data/onnx/MODEL_CARD.md").read_text()

    make_reference(monkeypatch)
    latency.main()
    (verdict,) = read_promotions(Path("metrics/onnxpromotion.json"))
    assert not verdict.promoted and "drop of macro-F1" in verdict.reason


def test_card_tells_the_figures_of_the_artifacts(project: Calibration) -> None:
    onnx.main()
    text = Path("data/onnx/MODEL_CARD.md").read_text()
    assert all(words in text for words in (INTENDED_USE, NOT_FOR, EU_LAW))
    measured = read_json(Path("data/calibration/kd-1/reliabilitymetrics.json"))["everything"]
    accuracy = measured["raw"]["metrics"]["accuracy"]
    assert (
        f"| everything | {ROWS} | {accuracy['value']:.3f} "
        f"({accuracy['low']:.3f}–{accuracy['high']:.3f}) |" in text
    )
    assert f"→ {measured['temperature_scaled']['metrics']['ece']['value']:.3f} (" in text
    assert (
        "| tiny | drawn for tests / free | 28 | 28 | 28 | 28 |" in text
        and "| all |  | 28 | 28 | 28 | 28 |" in text
    )
    assert (
        f"weights sha256 `{project.model_sha256}`" in text
        and "licence of the weights: for tests" in text
    )
    assert "never trained: contempt" in text and "fine-tuned from" not in text
    assert "## Words" in text and "\n- **ECE**: " in text
    assert f"softmax(logits / {TEMPERATURE:g})" in text and PREPROCESSING.hash() in text
    parity = read_parity(Path("data/onnx/onnxparity.json"))["precisions"]["int8"]
    assert (
        f"| int8 | handed out | {parity['max_probability_diff']:.1e} | "
        f"{parity['mean_probability_diff']:.1e} |" in text
    )
    assert "\n| val |" not in text, "val rows chose the epoch"
    assert not re.search(r"20\d\d-|nan|None", text.replace("face[None]", ""))


@pytest.mark.parametrize(
    ("overlap", "by_name", "doubtful"),
    [
        ("unknown", {}, True),
        ("none", {}, False),
        ("part", {"everything": "none"}, False),
        ("none", {"everything": "part"}, True),
    ],
)
def test_card_tells_of_teachers_from_elsewhere_behind_the_student(
    project: Calibration, overlap: str, by_name: dict[str, str], doubtful: bool
) -> None:
    targets = Path("data/softlabels")
    targets.mkdir(parents=True)
    (targets / "softlabels.npz").write_bytes(b"soft labels")
    weights = {"mine": 0.5, "peer": 0.5, "idle": 0.0}
    report = {"teachers": list(weights), "ensemble": {"weights": weights}}
    write_json(targets / "alignmentreport.json", report)
    model = Path("data/students/kd-1/model")
    sha256 = sha256_file(targets / "softlabels.npz")
    rewrite(model / "model.json", read_json(model / "model.json") | {"targets_sha256": sha256})
    stated = {"trained_on": ["a | b"], "overlap": {"tiny": overlap} | by_name}
    entries = {tag: network_entry("peer.onnx", 48, **stated) for tag in ("peer", "idle")}
    teachers = {"mine": {"arch": ARCH}, **entries}
    Path("params.yaml").write_text(f"{PARAMS}teachers: {json.dumps(teachers)}\n")
    for tag, entry in entries.items():
        outside = OutsideTeacher(tag, parsed(entry), "f" * 64)
        write_outside(Path("data/teachers") / tag / "outside", outside)
    onnx.main()
    text = Path("data/onnx/MODEL_CARD.md").read_text()
    assert "an ensemble of teachers, some of them from elsewhere." in text
    assert f"| peer | peer.onnx | `{'f' * 64}` | a / b | tiny: {overlap}" in text
    assert ("**Possibly contaminated:**" in text) == doubtful
    assert ("has learned rows of everything, or nobody knows" in text) == doubtful
    assert "| idle |" not in text, "it had no weight"


def test_a_chosen_calibration_by_class_is_in_files_records_and_card(project: Calibration) -> None:
    vector = Vector((0.4, 0.9, 0.6, 1.2, 0.5, 0.7, 1.1), (2.5, -1.5, 0.5, -2.0, 0.75, 1.25, -1.5))
    write_reliable("kd-1", project.model_sha256, vector)
    onnx.main()
    plain = {"scale": list(vector.scale), "bias": list(vector.bias)}
    for record in read_export_report(Path("data/onnx/onnxexportreport.json")):
        found = Predictor(Path("data/onnx") / record["file"], threads=1)
        assert found.metadata.by_class is not None
        assert found.metadata.by_class.to_dict() == record["calibration"] == plain
        predicted = found.predict(faces(5))
        np.testing.assert_allclose(
            predicted.probabilities, softmax(vector.apply(predicted.logits), axis=1), atol=1e-6
        )
    assert read_parity(Path("data/onnx/onnxparity.json"))["calibrator"]["method"] == "vector"
    text = Path("data/onnx/MODEL_CARD.md").read_text()
    measured = read_json(Path("data/calibration/kd-1/reliabilitymetrics.json"))["everything"]
    accuracy = measured["vector"]["metrics"]["accuracy"]
    assert accuracy != measured["raw"]["metrics"]["accuracy"]
    assert f"| everything | {ROWS} | {accuracy['value']:.3f} (" in text
    assert f"→ {measured['vector']['metrics']['ece']['value']:.3f} (" in text
    assert "softmax(scale * logits + bias), with scale [0.4, 0.9," in text
    assert "The exported files carry a scale and a bias of each class" in text


def test_card_of_a_student_that_knows_drawn_faces_only_says_that_it_is_a_toy(
    project: Calibration,
) -> None:
    onnx.main()
    assert "toy" not in Path("data/onnx/MODEL_CARD.md").read_text()
    drawn = PARAMS.replace("licence: for tests", "licence: none needed (synthetic sample)")
    Path("params.yaml").write_text(drawn)
    onnx.main()
    assert "\n\n**A toy.** It learned from drawn" in Path("data/onnx/MODEL_CARD.md").read_text()


def test_card_tells_what_a_cross_validation_leaves_open(project: Calibration) -> None:
    start = "student: {init: models/fer2013/model}\n"
    Path("params.yaml").write_text(f"{PARAMS}{start}crossval: {{folds: 5}}\n")
    write_json(Path("metrics/crossval.json"), {"n": 28, "reason": "all faces are of one person"})
    onnx.main()
    text = Path("data/onnx/MODEL_CARD.md").read_text()
    assert "fine-tuned from the saved student `models/fer2013/model`" in text
    assert "No cross-validation of these 28 faces: all faces are of one person." in text


def test_card_shows_what_students_make_of_data_sets_left_out(project: Calibration) -> None:
    section = "cross_dataset: {left_out: [far]}\n"
    Path("params.yaml").write_text(f"{PARAMS}{section}")
    sure = {"value": 0.5, "low": 0.4, "high": 0.6}
    less = {"value": -0.25, "low": -0.3, "high": -0.2}
    cell = {"n": 1200, "accuracy": sure, "macro_f1_present": sure}
    few = {"n": 7, "reason": "fewer than 100 test rows"}
    cells = {
        "none": {"far": cell, "few": few},
        "far": {"far": cell | {"difference": {"accuracy": less}}, "few": few},
    }
    write_json(Path("metrics/cross_dataset.json"), {"seeds": 1, "cells": cells})
    onnx.main()
    text = Path("data/onnx/MODEL_CARD.md").read_text()
    elsewhere = text.partition("## Faces from elsewhere")[2].partition("\n## ")[0]
    assert "not of the one in these files" in elsewhere
    assert "Of far 50% (-25 points, between -30 and -20)." in elsewhere
    assert "| nothing | far | 1,200 | 0.500 (0.400–0.600) |" in elsewhere
    assert "| far | far | 1,200 | 0.500 (0.400–0.600) | 0.500 (0.400–0.600) | -0.250 (-0.300" in (
        elsewhere
    )
    assert "| far | few | 7 | fewer than 100 test rows | – | – |" in elsewhere
    refused = {"n": 28, "reason": "there is only one data set to learn from"}
    write_json(Path("metrics/cross_dataset.json"), refused)
    onnx.main()
    text = Path("data/onnx/MODEL_CARD.md").read_text()
    assert "No data set was left out of 28 test faces: there is only one" in text


def test_code_in_the_card_gives_what_the_predictor_gives(
    project: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.main()
    monkeypatch.chdir("data/onnx")
    (code,) = re.findall(r"```python\n(.*?)```", Path("MODEL_CARD.md").read_text(), flags=re.S)
    for side in (48, 20):
        face = cv2.resize(faces(3)[2], (side, side))
        cv2.imwrite("face.png", cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
        found: dict[str, np.ndarray] = {}
        exec(code, found)
        np.testing.assert_allclose(
            found["probabilities"],
            Predictor("student.fp32.onnx").predict([face]).probabilities[0],
            atol=1e-6,
        )


def test_data_set_without_terms_of_use_is_refused(project: Calibration) -> None:
    write_json(Path("data/sources/tiny.json"), {"name": "tiny", "licence": " "})
    with pytest.raises(DataError, match=r"tiny\.json"):
        onnx.main()
    assert not Path("data/onnx").exists()


def test_file_that_breaks_its_gate_leaves_no_out(
    project: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GATES, "fp32", replace(GATES["fp32"], relative=1e-12))
    with pytest.raises(ModelError, match=r"student\.fp32\.onnx"):
        onnx.main()
    assert not Path("data/onnx").exists()


def test_temperature_of_other_weights_is_refused(project: Calibration) -> None:
    write_reliable("kd-1", "0" * 64)
    with pytest.raises(ArtifactError, match="other weights"):
        onnx.main()


def test_teacher_gives_scaled_cosines_and_calibrated_probabilities(project: Calibration) -> None:
    torch.manual_seed(0)
    network = ArcFaceNetwork(ARCH, PREPROCESSING.size, 16, 0.4, 30.0).eval()
    model = Path("data/teachers/tiny_resnet/a/model")
    card = save_model(
        model,
        network,
        ModelCard(
            "teacher",
            ARCH,
            "arcface",
            16,
            0.4,
            30.0,
            PREPROCESSING,
            "a" * 64,
            "b" * 64,
            None,
            0,
            {},
            {},
        ),
    )
    write_reliable("tiny_resnet", card.weights_sha256)
    onnx_teacher.main("tiny_resnet", model)
    out = Path("data/onnx_teachers/tiny_resnet")
    assert {path.name for path in out.iterdir()} == {
        "teacher.fp32.onnx",
        "onnxexportreport.json",
        "onnxparity.json",
    }
    (record,) = read_export_report(out / "onnxexportreport.json")
    assert (record["modelname"], record["precision"], record["paritycheck"]["pass"]) == (
        "tiny_resnet",
        "fp32",
        True,
    )
    predictor = Predictor(out / "teacher.fp32.onnx", threads=1)
    found = predictor.predict(faces(5))
    assert np.abs(found.logits).max() <= 30.0 and predictor.metadata.temperature == TEMPERATURE
    assert onnx_format.load(out / "teacher.fp32.onnx").opset_import[0].version == 18
