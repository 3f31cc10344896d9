"""From recorded sessions to the verdict: a student, adapted to a camera that shows colours darker,
is judged on named sets and on a session that was held out.
"""

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fer_core.base import paths
from fer_core.base.files import read_json
from fer_core.base.params import Params
from fer_core.dataset.manifest.table import write_manifest
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.export.onnx.export import export_files
from fer_core.export.onnx.options import DeployOptions
from fer_core.live.frames import Frame
from fer_core.models.initial.initial import make_initial
from fer_core.models.initial.options import InitOptions
from fer_core.models.networks.saved import load_model
from fer_core.predict.metadata import OnnxMetadata
from fer_core.predict.predictor import Predictor
from fer_core.sources.catalogue.descriptor import Descriptor, scanned, write_descriptor
from fer_core.sources.catalogue.faces import Face
from fer_core.sources.catalogue.registry import reader_for
from fer_core.sources.files.tree import open_tree
from stages import adapt, adapt_gate, calibrate, evaluate, predict, student
from tests.arrange_logits import manifest_of
from tests.live.acting import BOX, ActingDetector, Clip, acted
from tests.sources.trees import clean_options
from tests.stages.training import edit_params, enter
from tests.tiny import ARCH, COLOURS, SIDE, dev_splits, write_half, write_tiny_project

BASE = Path("data/students/ce-1/model")
TRAIN = {
    "epochs": 12,
    "batch": 14,
    "lr": 0.01,
    "min_lr": 1e-5,
    "weight_decay": 0.0,
    "lr_warmup_epochs": 1,
    "balance": "none",
    "grad_clip": 0.0,
    "precision": "fp32",
}
ADAPT = {"sources": ["webcam"], "mode": "norms", "replay": 1.0, "proximity": 0.01, "train": TRAIN}


class Camera(Clip):
    """Shows the colours of the classes darker and bluer than the base has learnt them."""

    def frames(self) -> Iterator[Frame]:
        random = np.random.default_rng(len(self.classes))
        for index, label in enumerate(self.classes):
            image = np.full((60, 80, 3), 90, np.uint8)
            shown = COLOURS[label][::-1] * 0.6 + [0, 0, 40]  # the pack's colours are BGR
            noisy = np.clip(shown + random.normal(0, 15, (BOX.height, BOX.width, 3)), 0, 255)
            image[BOX.top : BOX.top + BOX.height, BOX.left : BOX.left + BOX.width] = noisy
            yield Frame(index, index / 10, image)


def record(folder: Path, start: int, repeats: int) -> None:
    shown = [(start + place) % 7 for place in range(7 * repeats) for _ in range(15)]
    watch = acted(folder, Camera(shown))
    watch.writer.record(True)
    watch.before = lambda index: watch.writer.label(shown[index])
    deque(watch.results(), maxlen=0)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained, evaluated and exported student, and sessions of which one is held out."""
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        enter(root, patch)
        write_tiny_project(root, epochs=6)
        for number, name in enumerate(("train/a", "train/b", "val/c", "test/d")):
            record(root / "raw/webcam" / name, number, 2)
        tree, options = open_tree(root / "raw/webcam"), clean_options(webcam_session={"min_gap": 3})
        items = list(reader_for("webcam_session").scan(tree, "webcam", options))
        faces = [item for item in items if isinstance(item, Face)]
        held_out = [face for face in faces if face.split == "test"]
        dev = [face for face in faces if face.split != "test"]
        assert len(held_out) >= 28 and len(dev) >= 84
        write_half(root / "data/pack/dev", dev_splits(), 1, faces=dev)
        write_half(root / "data/pack/test", ["test"] * 70, 2, faces=held_out)
        frames = [read_rows(root / "data/pack" / half).frame for half in ("dev", "test")]
        write_manifest(root / "data/manifest.parquet", manifest_of(*frames))
        descriptor = Descriptor("webcam", "webcam_session", False)
        write_descriptor(
            root / "data/sources", scanned(descriptor, root / "raw", descriptor.layout, "webcam")
        )
        edit_params(
            deploy={"student": "ce-1"},
            manifest={"sources": ["tiny", "webcam"]},
            sets={"tiny": {"sources": ["tiny"]}, "webcam": {"sources": ["webcam"]}},
            adapt=ADAPT,
        )
        init = InitOptions(pretrained="none", sha256={}, min_matched=0.6)
        make_initial(root / "data/init" / ARCH, ARCH, SIDE, 1, init, None)
        edit_params(
            student={"set": "plain"}, sets={"plain": {"split": ["train"], "sources": ["tiny"]}}
        )
        rows = Path("data/pack/dev/rows.parquet")
        student.main("ce-1", "ce", 1, Path("data/init") / ARCH, rows)
        measure("ce-1")
        export_base(root / "data/onnx")
    return root


def measure(key: str) -> None:
    predict.main(key, Path("data/students") / key / "model")
    evaluate.main(key, Path("data/students") / key / "model")
    calibrate.main(key)


def export_base(folder: Path) -> None:
    network, card = load_model(BASE)
    temperature = read_calibration(Path("data/calibration/ce-1"), card.weights_sha256).temperature
    facts = (card.weights_sha256, card.rows_sha256, "for tests")
    metadata = OnnxMetadata(card.arch, "fp32", card.preprocessing, temperature, *facts)
    folder.mkdir()
    export_files(network, metadata, 18, ("fp32",), folder, "student")


@pytest.fixture(autouse=True)
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(project, monkeypatch)
    monkeypatch.setattr(adapt_gate, "YuNet", lambda *_: ActingDetector())


def judged() -> dict[str, object]:
    adapt.main(BASE)
    measure(paths.ADAPTED)
    adapt_gate.main()
    return read_json(paths.ADAPTATION / "gate.json")


def test_a_student_that_is_better_before_the_camera_is_promoted_as_a_file() -> None:
    found = judged()
    assert found["promoted"], found["words"]
    assert found["sessions"] == ["webcam/test/d"]
    assert [one["gate"] for one in found["gates"]] == ["regression", "sessions"]
    exported = Predictor(paths.ADAPTATION / "student.fp32.onnx", threads=1)
    assert exported.metadata.source_model_sha256 == found["adapted"]["model_sha256"]
    told = read_json(Path("metrics/adaptation.json"))
    assert told["promoted"] == 1 and set(told["macro_f1_change"]) == {
        "everything",
        "tiny",
        "webcam",
    }
    assert (
        told["sessions"]["macro_f1_present"]["after"]
        > told["sessions"]["macro_f1_present"]["before"]
    )


def test_the_adapted_file_answers_for_mirror_images_where_students_do(tmp_path: Path) -> None:
    judged()
    deploy = Params.load().section("deploy", DeployOptions)
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    both = [image, np.ascontiguousarray(image[:, ::-1])]
    for mirror in (False, True):
        file = adapt_gate._exported(tmp_path, deploy, mirror)
        one, other = Predictor(file, threads=1).predict(both).logits
        assert np.allclose(one, other, atol=1e-4) == mirror


def test_a_student_that_did_not_move_is_refused_in_words_and_no_file_is_left() -> None:
    edit_params(
        adapt=ADAPT
        | {"train": TRAIN | {"epochs": 1, "lr": 1e-9, "min_lr": 0.0, "lr_warmup_epochs": 0}}
    )
    found = judged()
    assert not found["promoted"] and not (paths.ADAPTATION / "student.fp32.onnx").exists()
    assert "held-out sessions: not so that macro-F1 of what is shown rises" in str(found["words"])
    assert [one["passed"] for one in found["gates"]] == [True, False]
    assert json.dumps(found["replay"])
