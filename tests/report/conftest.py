"""A whole run's artifacts, made by the real stages and writers from logits of known skill; no
training.
"""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from fer_core.base.files import write_json, write_text
from fer_core.base.labels import CLASSES
from fer_core.dataset.gate.validation import Validation, write_validation
from fer_core.dataset.manifest.table import write_manifest
from fer_core.dataset.pack.pack import PackOptions, write_pack
from fer_core.dataset.pack.rows import read_rows
from fer_core.dataset.store.store import write_store
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.metrics.deployed import provenance
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation, read_evaluation, record_evaluation
from fer_core.evaluation.robustness.robustness import Faces, RobustnessOptions, measure_robustness
from fer_core.export.latency.records import COLUMNS, Promotion, write_latency, write_promotions
from fer_core.export.onnx.gates import Parity, write_parity
from fer_core.export.onnx.options import Precision
from fer_core.export.onnx.report import write_export_report
from fer_core.logits.store import write_logits
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.metadata import OnnxMetadata
from fer_core.training.loop.progress import TrainingResult
from fer_core.training.loop.record import write_record
from stages import (
    ambiguity,
    calibrate,
    compare,
    ensemble,
    fairness,
    hard_cases,
    leaderboard,
    selective,
    softlabels,
)
from tests.arrange_logits import DEV, TEST, frame, logits_set, manifest_of
from tests.dataset.tiny_stores import face, picture

EVALUATION = EvaluationOptions(
    bootstrap=100, bins=15, compare_set="everything", fixed_temperatures=(1.2,)
)
PARAMS = """
seed: 1337
manifest: {sources: [rafdb_basic]}
sets:
  everything: {}
  large: {min_side: 64}
preprocessing: {size: 48}
views: {count: 2}
init: {pretrained: none}
teacher: {train: {epochs: 3}}
teachers: {tiny_resnet: {arch: resnet18}, tiny_effnet: {arch: efficientnet_b3}}
ensemble:
  {spaces: [prob, logit], step: 0.5, objective: nll, kinds: [global, per_class],
   fixed_temperatures: [1.2]}
hard_cases: {share: 0.2, pairs: 2}
student: {arch: tiny, methods: [ce, kd], seeds: [1, 2]}
evaluation:
  {bootstrap: 100, bins: 15, compare_set: everything, fixed_temperatures: [1.2]}
trust:
  robustness: {rows: 70, corruptions: [blur, mask], strengths: [1, 5]}
  fairness: {rows: 60, rows_of_class: 5}
  ambiguity: {share: 0.3}
  selective: {risks: [0.05, 0.1], auto: 0.1}
deploy:
  {student: kd-1, opset: 18, precisions: [fp32, fp16], licence: "<script>none</script> & free"}
"""
BUDGET = {
    "init_sha256": "b" * 64,
    "train_rows": 30,
    "schedule": {"epochs": 3, "batch": 9},
    "tuned": {"lr": 0.004},
    "optimiser_steps": 10,
}
TEACHERS, STUDENTS = ("tiny_resnet", "tiny_effnet"), ("ce-1", "ce-2", "kd-1", "kd-2")
SKILLS = {
    "tiny_resnet": 1.4,
    "tiny_effnet": 1.7,
    "ce-1": 0.9,
    "ce-2": 0.95,
    "kd-1": 1.5,
    "kd-2": 1.45,
}


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with params.yaml and everything that the report reads."""
    root = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_text(Path("params.yaml"), PARAMS)
        for half, splits in (("dev", DEV), ("test", TEST)):
            _pack(Path(f"data/pack/{half}"), splits)
        for seed, tag in enumerate(TEACHERS):
            _teacher(tag, seed)
        for seed, key in enumerate(STUDENTS):
            _evaluation(key, "student", seed + 20)
        dev, test = (read_rows(Path(f"data/pack/{half}")).frame for half in ("dev", "test"))
        write_manifest(Path("data/manifest.parquet"), manifest_of(dev, test))
        for stage in (ensemble, leaderboard, softlabels, hard_cases):
            stage.main()
        for key in (*TEACHERS, *STUDENTS):
            calibrate.main(key)
        for place, record in enumerate(
            [
                *(f"data/teachers/{tag}/a/record" for tag in TEACHERS),
                *(f"data/students/{key}/record" for key in STUDENTS),
            ]
        ):
            _record(Path(record).parent, place)
        compare.main()
        _trust(Path("data"))
        _validation(Path("data/validation.json"))
        _onnx(Path("data/onnx"))
        _latency(Path("metrics"))
    return root


@pytest.fixture
def project(artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it to change, and the working folder of the test."""
    root = tmp_path / "project"
    shutil.copytree(artifacts, root)
    monkeypatch.chdir(root)
    yield root


def _pack(folder: Path, splits: dict[str, int]) -> None:
    """A half whose faces are of one grey each, row i of grey i mod 256."""
    rows = frame(splits).drop(columns=["shard", "shard_row"])
    images = [
        cv2.imencode(".png", np.full((48, 48), row % 256, dtype=np.uint8))[1].tobytes()
        for row in range(len(rows))
    ]
    write_pack(
        folder,
        rows,
        images.__getitem__,
        np.array([len(image) for image in images]),
        PackOptions(shard_megabytes=1),
    )


def _teacher(tag: str, seed: int) -> None:
    dev, test = read_rows(Path("data/pack/dev")), read_rows(Path("data/pack/test"))
    skill = SKILLS[tag]
    of_dev = logits_set(
        dev, ("train", "val", "calib"), seed, model=tag, views=True, scale=5, skill=skill
    )
    of_test = logits_set(test, ("test",), seed + 10, model=tag, scale=5, skill=skill)
    write_logits(Path(f"data/logits/{tag}/dev"), of_dev)
    write_logits(Path(f"data/logits/{tag}/test"), of_test)
    _write_evaluation(tag, "teacher", of_dev, of_test)


def _evaluation(key: str, kind: str, seed: int) -> None:
    dev, test = read_rows(Path("data/pack/dev")), read_rows(Path("data/pack/test"))
    of_dev = logits_set(
        dev, ("val", "calib"), seed, model=key, dtype="float32", scale=3, skill=SKILLS[key]
    )
    of_test = logits_set(
        test, ("test",), seed + 10, model=key, dtype="float32", scale=3, skill=SKILLS[key]
    )
    _write_evaluation(key, kind, of_dev, of_test)


def _write_evaluation(key: str, kind: Any, of_dev: Any, of_test: Any) -> None:
    dev, test = read_rows(Path("data/pack/dev")), read_rows(Path("data/pack/test"))
    network = Evaluation(
        key,
        kind,
        of_dev,
        of_test,
        {
            "everything": np.ones(len(test), dtype=bool),
            "large": (test.frame["min_side"] >= 64).to_numpy(),
        },
        {},
        BUDGET,
    )
    record_evaluation(
        Path("data/evaluation") / key,
        network,
        dev,
        test,
        EVALUATION,
        1337,
    )


def _record(folder: Path, place: int) -> None:
    history = [
        {
            "epoch": epoch,
            "phase": "warm-up" if epoch == 0 else "train",
            "view": 1 + epoch % 2,
            "lr": 1e-3 / (1 + epoch),
            "train_loss": 2.0123456789 / (1 + epoch + place),
            "train_accuracy": 0.2 + 0.1 * epoch,
            "val_accuracy": 0.25 + 0.1 * epoch,
            "val_macro_f1": 0.5 + 0.005 * epoch + 0.01 * place,
            "val_nll": 1.9 - 0.2 * epoch - 0.01 * place,
            "distinct_share": 1.0,
            "seen_share": 1.0,
        }
        for epoch in range(3)
    ]
    timing: list[dict[str, float]] = [{"seconds": 32.92, "images": 4115}] * len(history)
    write_record(
        folder,
        TrainingResult(history, timing, selected_epoch=2, weights={}, steps=10),
        "tiny",
        {
            "device": "cpu",
            "processor": "x",
            "cores": 2,
            "threads": 1,
            "commit": "0123abc",
            "packages": {"torch": "2.9.9", "timm": "1.9.9"},
        },
    )


def _validation(path: Path) -> None:
    """The gate's report of such rows, with something of everything left out."""
    counts = {split: dict.fromkeys(CLASSES, rows // 7) for split, rows in {**DEV, **TEST}.items()}
    groups = {"groups": 4, "extra_copies": 5, "contradictory_groups": 1, "largest": 3}
    report = {
        "canonical": list(CLASSES),
        "counts": {
            "by_source": {"rafdb_basic": 620},
            "by_source_split_label": {"rafdb_basic": counts},
        },
        "rows_by_split": {**DEV, **TEST, "dropped": 9},
        "dropped": {
            "by_reason": {"twin_in_test": 5, "contradictory_twins": 4},
            "by_source_reason": {"rafdb_basic": {"twin_in_test": 5, "contradictory_twins": 4}},
        },
        "exclusions": {"rafdb_basic": {"<undecodable> image": 2}},
        "twins": {"exact": groups, "exact_and_near": {**groups, "groups": 6}},
        "sets": {"everything": 210, "large": 105},
    }
    manifest = path.with_name("manifest.parquet")
    write_validation(path, Validation(report, []), manifest, path.with_name("clean"))


def _trust(data: Path) -> None:
    """What the stages write that say how far to trust the student; the network under corruptions is
    one that knows every third face.
    """
    rows = read_rows(data / "pack" / "test")
    ages = ["age=20-39", "age=40-69", "age=70+", ""]
    people = [
        face(sample_id, "test", int(label), number, subgroups=ages[min(number % 5, 3) % 4])
        for number, (sample_id, label) in enumerate(zip(rows.sample_ids, rows.labels, strict=True))
    ]
    write_store(data / "clean" / "rafdb_basic.arrow", people, {"source": "rafdb_basic"})
    for stage in (selective, ambiguity, fairness):
        stage.main()
    evaluation = read_evaluation(data / "evaluation" / "kd-1")
    faces = Faces(
        [np.dstack([picture(i)] * 3) for i in range(70)],
        rows.sample_ids[:70],
        rows.labels[:70].astype(np.int64),
        np.arange(70),
    )
    known = np.eye(7)[faces.labels] * (np.arange(70) % 3 == 0)[:, None]
    options = RobustnessOptions(rows=70, corruptions=("blur", "mask"), strengths=(1, 5))
    found = measure_robustness(faces, lambda images: known[: len(images)], options, EVALUATION, 1)
    write_json(Path("metrics/robustness.json"), provenance(evaluation, "everything") | found)


def _onnx(folder: Path) -> None:
    """The records of the onnx stage; the files are only named, for the report must not need
    them.
    """
    folder.mkdir(parents=True)
    carried = read_calibration(Path("data/calibration/kd-1"), "weights of kd-1").carried
    rows_sha256 = read_rows(Path("data/pack/test")).sha256
    known = {
        "rows": 210,
        "maxabsdiff": 1.25e-05,
        "agreement": 1.0,
        "macro_f1_reference": 0.612345,
        "macro_f1": 0.612345,
        "accuracy_reference": 0.7,
        "accuracy": 0.7,
    }
    single = Parity(
        **(
            dict.fromkeys([field.name for field in dataclasses.fields(Parity)], 1e-7)
            | known
            | {"chosen_on": None}
        )
    )  # type: ignore[arg-type]
    parity: dict[Precision, Parity] = {
        "fp32": single,
        "fp16": dataclasses.replace(single, maxabsdiff=0.0123, agreement=0.995238),
    }
    files: dict[Precision, Path] = {
        precision: folder / f"student.{precision}.onnx" for precision in parity
    }
    for place, file in enumerate(files.values()):
        file.write_bytes(b"x" * (6_000_000 >> place))
    preprocessing = Preprocessing(48, 1.0, False, 2.0, 8, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    metadata = OnnxMetadata(
        "mobilenet",
        "fp32",
        preprocessing,
        carried.temperature,
        "weights of kd-1",
        rows_sha256,
        "free",
    )
    write_parity(folder / "onnxparity.json", parity, carried, read_rows(Path("data/pack/test")))
    write_export_report(folder / "onnxexportreport.json", files, parity, metadata, "kd-1", 18)
    for file in files.values():
        file.unlink()


def _latency(folder: Path) -> None:
    """The facts of the latency stage: fp16 and the reference take 1.25 and 4 times what fp32 does;
    int8 was refused by its gate.
    """
    facts: dict[str, Any] = dict.fromkeys(COLUMNS, 1.0)
    facts |= {
        "provider": "CPU",
        "rounds": 10,
        "calls": 1000,
        "threads": 1,
        "pinned": True,
        "size": 48,
        "crop_side": 112,
    }
    facts |= {"cpu": "Some <CPU>", "cores": 2, "load_average": 0.25, "onnxruntime": "9.9.9"}
    rows = []
    for (model, precision), share in {
        ("reference", "fp32"): 4.0,
        ("kd-1", "fp32"): 1.0,
        ("kd-1", "fp16"): 1.25,
    }.items():
        for scope in ("model", "crop"):
            for batch in (1, 8):
                milliseconds = 0.512 * share * batch
                about = {
                    "model": model,
                    "precision": precision,
                    "scope": scope,
                    "batch": batch,
                    "p50_ms": milliseconds,
                }
                ratios = {
                    "ratio_to_reference": share / 4,
                    "ratio_to_fp32": share if model == "kd-1" else 1.0,
                }
                rows.append(facts | about | ratios | {"images_per_s": 1000 * batch / milliseconds})
    search = {"model": "detector", "precision": "fp32", "scope": "photo", "batch": 1}
    rows.append(facts | search | {"p50_ms": 7.5, "p95_ms": 8.5})
    for model, precision, p50 in (("kd-1", "fp32", 9.5), ("kd-1", "fp16", 9.75)):
        whole = {"model": model, "precision": precision, "scope": "whole", "batch": 1}
        rows.append(facts | whole | {"p50_ms": p50, "p95_ms": p50 + 1})
    write_latency(folder / "latencybenchmarks.csv", pd.DataFrame(rows))
    reason = "int8 is not promoted: drop of macro-F1 is 0.03, allowed 0.01."
    write_promotions(
        folder / "onnxpromotion.json", [Promotion("int8", False, 0.03, None, False, reason)]
    )
