"""The stage `crossval`: its record on data that can be cross-validated, and on data that cannot."""

from pathlib import Path

import pytest

from fer_core.base.files import read_json
from fer_core.base.params import Params
from fer_core.dataset.manifest.table import write_manifest
from fer_core.dataset.pack.pack import Pack
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.saved import build_network, save_model
from fer_core.pixels.preprocessing import Preprocessing
from stages import crossval
from tests.arrange_logits import manifest_of
from tests.stages.training import edit_params, enter, write_training_project
from tests.tiny import ARCH, write_half

RECORD = Path("metrics/crossval.json")


@pytest.fixture
def halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Pack]:
    enter(tmp_path, monkeypatch)
    write_training_project(tmp_path)
    write_half(tmp_path / "data/pack/test", ["test"] * 42, seed=2, source="tested")
    edit_params(crossval={"folds": 2})
    return [Pack.open(Path(f"data/pack/{half}")) for half in ("dev", "test")]


def run() -> dict:  # type: ignore[type-arg]
    crossval.main("ce-1", Path("data/init") / ARCH)
    return read_json(RECORD)


def test_all_faces_are_measured_and_the_record_says_whose_they_are(halves: list[Pack]) -> None:
    frames = [half.rows.frame for half in halves]
    copies = {"tested/00007": "tiny/00000"}
    write_manifest(Path("data/manifest.parquet"), manifest_of(*frames, duplicate_of=copies))
    found = run()
    count = sum(map(len, halves))
    assert (found["rows"], found["groups"], found["folds"]) == (count, count - 1, 2)
    assert found["accuracy"]["low"] < found["accuracy"]["value"] < found["accuracy"]["high"]
    assert found["accuracy"]["value"] > 0.5  # the mean colour tells the class
    assert found["test_rows_sha256"] == halves[1].rows.sha256
    assert found["methods"] == ["ce"] and not list(Path("data").glob("students/*"))


def test_what_cannot_be_cross_validated_is_a_note_and_no_failure(halves: list[Pack]) -> None:
    frames = [half.rows.frame.assign(group="ann") for half in halves]
    write_manifest(Path("data/manifest.parquet"), manifest_of(*frames))
    found = run()
    assert "one person" in found["reason"] and found["n"] == sum(map(len, halves))
    assert "accuracy" not in found


def test_a_start_that_has_learned_from_these_faces_is_no_cross_validation(
    halves: list[Pack],
) -> None:
    """A released network of this very project as `student.init` knows what a part holds out."""
    frames = [half.rows.frame for half in halves]
    write_manifest(Path("data/manifest.parquet"), manifest_of(*frames))
    edit_params(student={"init": "models/mine/model"})
    preprocessing = Params.load().section("preprocessing", Preprocessing)
    for rows_sha256, fits in ((halves[0].rows.sha256, False), ("d" * 64, True)):
        card = ModelCard(
            "student",
            ARCH,
            "linear",
            None,
            None,
            None,
            preprocessing,
            rows_sha256,
            "i",
            None,
            0,
            {},
            {},
        )
        save_model(Path("models/mine/model"), build_network(card), card)
        crossval.main("ce-1", Path("models/mine/model"))
        assert ("accuracy" in read_json(RECORD)) is fits
        assert ("learned from these very faces" in read_json(RECORD).get("reason", "")) is not fits
