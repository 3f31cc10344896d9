"""The stages manifest, validate and pack, run in a folder of their own."""

import shutil
from pathlib import Path

import pytest

from fer_core.base.errors import ArtifactError, DataError
from fer_core.dataset.manifest.table import read_manifest, write_manifest
from fer_core.dataset.pack.pack import Pack
from stages import manifest as manifest_stage
from stages import pack as pack_stage
from stages import validate as validate_stage
from tests.dataset.tiny_stores import face, many, store

PARAMS = """
seed: 1337
manifest:
  sources: [SOURCES]
  val_fraction: 0.1
  calib_fraction: 0.1
  test_fraction: {}
  non_faces: drop
  twins: {across_splits: drop, contradictory: drop, repeated: drop}
  near_duplicate_bits: 4
  near_duplicate_correlation: 0.98
sets:
  all: {}
validate:
  min_per_class: {train: 1, val: 1, calib: 1, test: 1}
pack: {shard_megabytes: 0.02}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("FER_RUNS", raising=False)
    clean = tmp_path / "data" / "clean"
    store(clean, "a", [*many("a", "train", 140), *many("a", "test", 7, 300)])
    store(clean, "b", many("b", "test", 21, 500))
    store(clean, "twins", [*many("twins", "test", 7, 700), face("twins/x", "test", 3, 10_000)])
    store(clean, "absent", [])
    return tmp_path


def run(*sources: str) -> None:
    Path("params.yaml").write_text(PARAMS.replace("SOURCES", ", ".join(sources)))
    manifest_stage.main()
    validate_stage.main()
    pack_stage.main()


def half(name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path("data/pack", name).iterdir())}


def test_every_kept_face_is_packed_in_its_half_and_no_other(project: Path) -> None:
    run("a", "b")
    manifest = read_manifest(Path("data/manifest.parquet"))
    dev, test = Pack.open(Path("data/pack/dev")), Pack.open(Path("data/pack/test"))
    assert set(dev.rows.frame["split"]) == {"train", "val", "calib"}
    assert set(test.rows.frame["split"]) == {"test"}
    assert sorted(dev.rows.sample_ids + test.rows.sample_ids) == manifest["sample_id"].tolist()
    pictures = {row.sample_id: row.image for row in many("a", "train", 140)}
    assert all(dev.image(row) == pictures[key] for row, key in enumerate(dev.rows.sample_ids))


def test_one_more_source_of_test_rows_leaves_dev_byte_for_byte(project: Path) -> None:
    run("a")
    dev, test = half("dev"), half("test")
    run("a", "b")
    assert half("dev") == dev
    assert half("test") != test


def test_unless_it_holds_the_twin_of_a_train_face(project: Path) -> None:
    run("a")
    before = Pack.open(Path("data/pack/dev")).rows.sample_ids
    run("a", "twins")
    after = Pack.open(Path("data/pack/dev")).rows.sample_ids
    assert set(before) - set(after) == {"a/train-0000"}


def test_a_second_run_writes_the_same_bytes(project: Path) -> None:
    def everything() -> dict[Path, bytes]:
        return {
            path: path.read_bytes()
            for path in sorted(Path("data").rglob("*"))
            if path.is_file() and "clean" not in path.parts
        }

    run("a", "b")
    before = everything()
    shutil.rmtree("data/pack")
    run("a", "b")
    assert everything() == before
    assert len(before) > 5


def test_a_corrupt_manifest_stops_at_the_gate_and_all_faults_are_kept(project: Path) -> None:
    run("a")
    path = Path("data/manifest.parquet")
    manifest = read_manifest(path)
    write_manifest(path, manifest.assign(label=(manifest["label"] + 1) % 7))
    Path("data/validation.json").unlink()
    with pytest.raises(DataError, match="147 faults"):
        validate_stage.main()
    assert (project / "runs" / "validation-report.json").read_text().count('"check"') == 147
    assert not Path("data/validation.json").exists()


def test_train_rows_that_nobody_learns_from_stay_out(project: Path) -> None:
    run("a", "b")
    whole = Pack.open(Path("data/pack/dev")).rows.frame
    file = Path("params.yaml")
    text = file.read_text().replace(
        "all: {}", "all: {}\n  few: {split: [train], most_per_class: 5}"
    )
    file.write_text(text.replace("0.02}", "0.02, train_sets: [few]}"))
    pack_stage.main()
    packed = Pack.open(Path("data/pack/dev")).rows.frame
    assert packed["label"][packed["split"] == "train"].value_counts().tolist() == [5] * 7
    held = whole["sample_id"][whole["split"] != "train"].tolist()
    assert packed["sample_id"][packed["split"] != "train"].tolist() == held


def test_a_quick_trial_packs_a_few_rows_of_each_class(project: Path) -> None:
    run("a", "b")
    file = Path("params.yaml")
    file.write_text(file.read_text().replace("0.02}", "0.02, most_per_class: 3}"))
    pack_stage.main()
    packed = Pack.open(Path("data/pack/dev")).rows.frame
    counts = packed.groupby(["split", "source", "label"]).size()
    assert counts.max() == 3 and {"train", "val", "calib"} == set(packed["split"])
    assert len(Pack.open(Path("data/pack/test")).rows) <= 3 * 7 * 2


def test_pack_refuses_a_manifest_that_has_not_passed(project: Path) -> None:
    run("a")
    path = Path("data/manifest.parquet")
    write_manifest(path, read_manifest(path).assign(weight=2.0))
    with pytest.raises(ArtifactError, match="another manifest"):
        pack_stage.main()


def test_pack_refuses_a_store_that_was_made_again(project: Path) -> None:
    run("a")
    store(
        project / "data" / "clean",
        "a",
        [*many("a", "train", 140), *many("a", "test", 7, 300)][::-1],
    )
    with pytest.raises(ArtifactError, match="another face"):
        pack_stage.main()


def test_only_listed_sources_are_read(project: Path) -> None:
    (project / "data" / "clean" / "b.arrow").write_bytes(b"not read")
    run("a")
    with pytest.raises(DataError, match="fer data add absent PATH"):
        run("a", "absent")
