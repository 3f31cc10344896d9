"""The gate opens for sound data and sees each kind of corruption."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from fer_core.base.absent import declare_absent
from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.labels import SELF_LABELLED
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.leakage import TwinOptions
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.gate.checks import MinPerClass
from fer_core.dataset.gate.fault import Fault
from fer_core.dataset.gate.validation import (
    ValidateOptions,
    Validation,
    check_passed,
    require_passed,
    validate,
    write_validation,
)
from fer_core.dataset.manifest.table import read_manifest, write_manifest
from fer_core.dataset.pack.named_sets import SetFilter
from tests.dataset.assembly.built import build_manifest
from tests.dataset.tiny_stores import face, many, store

TWIN_POLICY = {"across_splits": "drop", "contradictory": "drop", "repeated": "drop"}
OPTIONS = ManifestOptions.model_validate(
    {
        "sources": ["a", "b"],
        "val_fraction": 0.1,
        "calib_fraction": 0.1,
        "test_fraction": {},
        "non_faces": "drop",
        "twins": TWIN_POLICY,
        "near_duplicate_bits": 4,
        "near_duplicate_correlation": 0.98,
    }
)
LEAST = ValidateOptions(min_per_class=MinPerClass(train=2, val=1, calib=1, test=1))
TWINS = [
    face("a/x1", "train", 0, 1),
    face("a/x2", "train", 3, 2, group="photo"),
    face("a/x3", "train", 3, 3, group="photo"),
]
NOTES = {"box clipped to the photo": 3}
EXCLUDED = ({"sample_id": "b/9", "reason": "undecodable image", "detail": "cut"},)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("data") / "clean"
    store(
        folder,
        "a",
        [
            *many("a", "train", 140),
            *TWINS,
            face("a/dropped", "none", 0, 77),
            face("a/y1", "train", 1, 1),
        ],
        notes=NOTES,
    )
    test = [
        *many("b", "test", 14, 500),
        face("b/near", "test", 2, 4),
        face("b/near-too", "test", 2, 4, brighter=1),
        face("b/blank", "test", 2, 5, flag="blank"),
    ]
    store(folder, "b", [*test, face("b/a-near", "train", 2, 4, brighter=3)], exclusions=EXCLUDED)
    return folder


def check(
    clean: Path,
    change: Callable[[pd.DataFrame], object] = lambda manifest: None,
    sets: dict | None = None,
) -> Validation:
    """The gate's view of the manifest after it went through its file and was changed."""
    stores = open_stores(clean, OPTIONS.sources)
    file = clean.parent / "manifest.parquet"
    write_manifest(file, build_manifest(stores, OPTIONS, 1337))
    manifest = read_manifest(file)
    changed = change(manifest)
    return validate(
        manifest if changed is None else changed,
        stores,
        OPTIONS,
        LEAST,
        sets or {"all": SetFilter()},
    )  # type: ignore[arg-type]


def setter(key: str, **values: object) -> Callable[[pd.DataFrame], None]:
    """A change of one row's cells."""

    def change(manifest: pd.DataFrame) -> None:
        row = manifest["sample_id"] == key
        for column, value in values.items():
            manifest.loc[row, column] = value

    return change


def test_sound_data_pass(clean: Path) -> None:
    assert check(clean).faults == []


@pytest.mark.parametrize(
    ("change", "seen", "where"),
    [
        (setter("a/train-0000", label=5), "face store: label 5, in the store 0", "a/train-0000"),
        (setter("a/train-0000", label=7), "label: 7", "a/train-0000"),
        (setter("a/train-0000", label=-1), "label: -1", "a/train-0000"),
        (
            setter("a/train-0000", split="test"),
            "split: test, though the source says train",
            "a/train-0000",
        ),
        (
            setter("b/test-0500", split="train"),
            "split: train, though the source says test",
            "b/test-0500",
        ),
        (
            setter("b/test-0500", split="dropped", reason="non_face"),
            "split: dropped, though the source says test",
            "b/test-0500",
        ),
        (
            setter("a/dropped", split="train", reason=""),
            "split: train, though the source says none",
            "a/dropped",
        ),
        (
            setter("b/a-near", split="train", reason=""),
            "leakage: train, its near twin b/near in test",
            "b/a-near",
        ),
        (
            setter("b/a-near", split="calib", reason=""),
            "leakage: calib, its near twin b/near in test",
            "b/a-near",
        ),
        (setter("a/x2", split="calib", reason=""), "leakage: ", "a/x2"),
        (setter("a/train-0000", split="valid"), "split: valid", "a/train-0000"),
        (setter("a/train-0000", split="dropped"), "reason: dropped: ", "a/train-0000"),
        (setter("a/train-0000", reason="whim"), "reason: ", "a/train-0000"),
        (setter("a/train-0000", width=0), "decode: no record", "a/train-0000"),
        (setter("a/train-0000", min_side=99), "decode: min_side", "a/train-0000"),
        (setter("a/train-0000", bbox_top=3), "box: ", "a/train-0000"),
        (
            setter("a/train-0000", bbox_top=3, bbox_left=3, bbox_bottom=3, bbox_right=9),
            "box: ",
            "a/train-0000",
        ),
        (
            setter("a/train-0000", bbox_top=-9, bbox_left=3, bbox_bottom=-2, bbox_right=9),
            "box: ",
            "a/train-0000",
        ),
        (setter("a/train-0000", image_path="/home/me/0.png"), "path: ", "a/train-0000"),
        (setter("a/train-0000", orig_image="C:\\photos\\0.png"), "path: ", "a/train-0000"),
        (setter("a/train-0000", image_path="in/../../0.png"), "path: ", "a/train-0000"),
        (
            setter("a/train-0000", sample_id="c/train-0000"),
            "path: the sample_id does not begin",
            "c/train-0000",
        ),
        (setter("a/train-0000", row=1), "face store: sample_id a/train-0000", "a/train-0000"),
        (
            setter("a/train-0000", row=9999),
            "face store: no face store has this row",
            "a/train-0000",
        ),
        (setter("a/train-0000", weight=0.0), "weight: 0.0", "a/train-0000"),
        (
            lambda m: m[m["sample_id"] != "a/train-0000"],
            "face store: this face is not in the manifest",
            "a/train-0000",
        ),
        (
            lambda m: pd.concat([m, m[m["sample_id"] == "a/train-0000"]], ignore_index=True),
            "unique id: ",
            "a/train-0000",
        ),
    ],
)
def test_a_corrupted_row_is_seen_and_named(
    clean: Path, change: Callable, seen: str, where: str
) -> None:
    faults = [
        (f"{fault.check}: {fault.found}", fault.where) for fault in check(clean, change).faults
    ]
    assert any(text.startswith(seen) and key == where for text, key in faults), faults


def test_an_exact_twin_put_back_into_train_is_seen(clean: Path) -> None:
    def change(manifest: pd.DataFrame) -> None:
        setter("a/x1", split="train", reason="")(manifest)
        setter("a/y1", split="calib", reason="")(manifest)

    faults = check(clean, change).faults
    assert [(fault.check, fault.where, fault.found) for fault in faults] == [
        ("leakage", "a/x1", "train, its exact twin a/y1 in calib")
    ]


def test_a_train_row_made_val_of_a_source_with_its_own_val_is_seen(tmp_path: Path) -> None:
    store(tmp_path, "a", [*many("a", "train", 140), *many("a", "val", 7, 300)])
    store(tmp_path, "b", many("b", "test", 14, 500))
    stores = open_stores(tmp_path, OPTIONS.sources)
    manifest = build_manifest(stores, OPTIONS, 1)
    key = manifest.loc[manifest["split"] == "train", "sample_id"].iloc[0]
    setter(key, split="val")(manifest)
    faults = validate(manifest, stores, OPTIONS, LEAST, {}).faults
    assert [(fault.check, fault.where, fault.found) for fault in faults] == [
        ("split", key, "val, though the source says train")
    ]


def test_a_face_without_proof_of_decoding_is_seen(tmp_path: Path) -> None:
    store(tmp_path, "a", [*many("a", "train", 140), face("a/x", "train", 0, 1, pixel_sha256="")])
    store(tmp_path, "b", many("b", "test", 14, 500))
    stores = open_stores(tmp_path, OPTIONS.sources)
    faults = validate(build_manifest(stores, OPTIONS, 1), stores, OPTIONS, LEAST, {}).faults
    assert [(fault.check, fault.where) for fault in faults] == [("decode", "a/x")]


def test_votes_of_another_length_are_seen(clean: Path) -> None:
    def change(manifest: pd.DataFrame) -> None:
        manifest.at[0, "votes"] = [1.0] * 8

    assert [fault.check for fault in check(clean, change).faults] == ["votes"]


def test_a_class_without_enough_rows_is_seen(clean: Path) -> None:
    least = ValidateOptions(min_per_class=MinPerClass(train=2, val=1, calib=1, test=3))
    stores = open_stores(clean, OPTIONS.sources)
    faults = validate(build_manifest(stores, OPTIONS, 1337), stores, OPTIONS, least, {}).faults
    assert faults
    assert {fault.check for fault in faults} == {"minimum"}
    assert "test/Angry" in [fault.where for fault in faults]
    assert all("lets it pass" in fault.found for fault in faults)


def test_an_empty_split_is_told_with_the_key_that_carves_it(tmp_path: Path) -> None:
    store(tmp_path, "a", many("a", "train", 70))
    options = OPTIONS.model_copy(update={"sources": ["a"], "test_fraction": {}})
    least = ValidateOptions(min_per_class=MinPerClass(train=1, val=1, calib=1, test=1))
    stores = open_stores(tmp_path, ["a"])
    faults = validate(build_manifest(stores, options, 1), stores, options, least, {}).faults
    assert len(faults) == 7
    assert all("`manifest.missing_test_fraction: 0.2` carves" in fault.found for fault in faults)
    carved = options.model_copy(update={"missing_test_fraction": 0.2})
    assert not validate(build_manifest(stores, carved, 1), stores, carved, least, {}).faults


def test_a_class_that_nobody_has_passes_where_it_is_declared_absent_and_has_no_row(
    tmp_path: Path,
) -> None:
    faces = [face for face in many("a", "train", 140) if face.label != 6]
    store(tmp_path, "a", faces)
    options = OPTIONS.model_copy(
        update={"sources": ["a"], "test_fraction": {}, "missing_test_fraction": 0.2}
    )
    least = ValidateOptions(min_per_class=MinPerClass(train=1, val=1, calib=1, test=1))
    stores = open_stores(tmp_path, ["a"])

    def faults_with(*absent: str) -> list[Fault]:
        declare_absent({"labels": {"absent": absent}})
        try:
            return validate(build_manifest(stores, options, 1), stores, options, least, {}).faults
        finally:
            declare_absent({})

    faults = faults_with()
    assert {fault.where for fault in faults} == {
        f"{split}/Neutral" for split in ("train", "val", "calib", "test")
    }
    assert all("`labels: {absent: [Neutral]}`" in fault.found for fault in faults)
    assert faults_with("Neutral") == []
    (contradiction,) = faults_with("Neutral", "Happy")
    assert contradiction.check == "absent" and contradiction.where == "Happy"


def test_an_empty_or_misspelt_set_is_seen(clean: Path) -> None:
    faults = check(
        clean,
        sets={
            "none": SetFilter(min_side=500),
            "typo": SetFilter(sources=["bb"]),
            "fine": SetFilter(sources=["b"]),
        },
    ).faults
    assert [(fault.check, fault.where) for fault in faults] == [
        ("named set", "none"),
        ("named set", "typo"),
    ]
    assert [fault.found.rpartition("; ")[2] for fault in faults] == [
        "widen it",
        "correct the name, or add the data set to manifest.sources",
    ]


@pytest.mark.parametrize(("angry", "sad", "where"), [(21, 20, ["a"]), (19, 21, ["a/train/Angry"])])
def test_a_face_that_was_announced_and_vanished_or_changed_is_seen(
    tmp_path: Path, angry: int, sad: int, where: list[str]
) -> None:
    counts = {
        "Angry": angry,
        "Disgust": 20,
        "Fear": 20,
        "Happy": 20,
        "Sad": sad,
        "Surprise": 20,
        "Neutral": 20,
    }
    store(tmp_path, "a", many("a", "train", 140), announced={"train": counts})
    store(tmp_path, "b", many("b", "test", 14, 500))
    stores = open_stores(tmp_path, OPTIONS.sources)
    faults = validate(build_manifest(stores, OPTIONS, 1), stores, OPTIONS, LEAST, {}).faults
    assert [(fault.check, fault.where) for fault in faults] == [("announced", key) for key in where]


def test_the_report_has_the_numbers(clean: Path) -> None:
    report = check(clean).report
    assert list(report)[:7] == [
        "rows_total",
        "rows_valid",
        "bad_labels",
        "missing_paths",
        "decode",
        "counts",
        "canonical",
    ]
    assert report["rows_total"] == 163
    assert report["decode"] == {"attempted": 164, "ok": 163, "fail": 1}
    assert report["counts"]["by_source"] == {"a": 142, "b": 17}
    assert report["counts"]["by_source_split_label"]["b"]["test"]["Fear"] == 5
    assert report["dropped"]["by_reason"] == {
        "contradictory_twins": 2,
        "no_split": 1,
        "twin_in_test": 1,
    }
    assert report["rows_by_split"]["test"] == 17
    assert report["non_faces"] == {"b": 1}
    assert report["exclusions"] == {"a": {}, "b": {"undecodable image": 1}}
    assert report["sets"] == {"all": 17}
    assert report["notes"] == {"a": {"box clipped to the photo": 3}, "b": {}}
    assert report["usages"] == {"a": {"train": 144}, "b": {"test": 17, "train": 1}}
    twins = report["twins"]
    assert twins["exact"] == {
        "groups": 1,
        "extra_copies": 1,
        "contradictory_groups": 1,
        "across_usages": 0,
        "largest": 2,
    }
    assert twins["exact_and_near"] == {
        "groups": 2,
        "extra_copies": 3,
        "contradictory_groups": 1,
        "across_usages": 1,
        "largest": 3,
    }
    assert twins["near_pairs"] == 3
    assert twins["repeats_kept"] == {"test": 1}


def test_a_failed_gate_names_twenty_and_keeps_them_all(clean: Path, tmp_path: Path) -> None:
    validation = check(clean, lambda manifest: manifest.__setitem__("weight", 0.0))
    report = tmp_path / "runs" / "report.json"
    with pytest.raises(DataError) as error:
        require_passed(validation, report)
    assert len(re.findall("weight: ", str(error.value))) == 20
    assert "163 faults" in str(error.value)
    assert len(json.loads(report.read_text())["faults"]) == 163
    with pytest.raises(ArtifactError):
        write_validation(
            tmp_path / "validation.json", validation, clean.parent / "manifest.parquet", clean
        )
    require_passed(check(clean), report)
    assert not report.exists()


def test_only_the_manifest_that_passed_may_go_on(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validation = check(clean)
    monkeypatch.chdir(clean.parent)
    manifest, passed = Path("manifest.parquet"), tmp_path / "validation.json"
    with pytest.raises(ArtifactError, match="missing"):
        check_passed(passed, manifest)
    write_validation(passed, validation, manifest, Path("clean"))
    check_passed(passed, manifest)
    assert str(clean.parent) not in passed.read_text()
    passed.write_text(passed.read_text().replace('"ok": true', '"ok": false'))
    with pytest.raises(ArtifactError, match="passed gate"):
        check_passed(passed, manifest)
    write_validation(passed, validation, manifest, Path("clean"))
    table = read_manifest(manifest)
    write_manifest(manifest, table.assign(weight=2.0))
    with pytest.raises(ArtifactError, match="another manifest"):
        check_passed(passed, manifest)


def test_leaks_that_are_only_to_be_reported_are_counted_and_close_nothing(clean: Path) -> None:
    """The train twin of a test row stays under both policies; the gate tells them apart."""
    stores = open_stores(clean, OPTIONS.sources)
    for choice in ("fail", "report"):
        options = OPTIONS.model_copy(
            update={"twins": OPTIONS.twins.model_copy(update={"across_splits": choice})}
        )
        manifest = build_manifest(stores, options, 1337)
        seen = validate(manifest, stores, options, LEAST, {"all": SetFilter()})
        assert seen.report["leaks"] > 0
        assert ({fault.check for fault in seen.faults} == {"leakage"}) == (choice == "fail")


def test_a_set_must_have_as_many_rows_as_it_says(clean: Path) -> None:
    rows = int(
        (
            build_manifest(open_stores(clean, OPTIONS.sources), OPTIONS, 1337)["split"] == "test"
        ).sum()
    )
    assert not check(clean, sets={"all": SetFilter(rows=rows)}).faults
    (fault,) = check(clean, sets={"all": SetFilter(rows=rows + 1)}).faults
    assert fault.check == "named set" and f"{rows} rows" in fault.found


def test_a_source_that_only_evaluates_must_not_train(clean: Path) -> None:
    stores = open_stores(clean, OPTIONS.sources)
    manifest = build_manifest(stores, OPTIONS, 1337)
    options = OPTIONS.model_copy(update={"eval_only": ["a"]})
    faults = validate(manifest, stores, options, LEAST, {"all": SetFilter()}).faults
    assert "split" in {fault.check for fault in faults}
    assert any("eval_only" in fault.found for fault in faults)


def test_a_label_of_a_network_must_not_leave_train(tmp_path: Path) -> None:
    own = [replace(row, usage=SELF_LABELLED) for row in many("b", "train", 70, 500)]
    store(tmp_path, "a", [*many("a", "train", 140), *many("a", "test", 70, 300)])
    store(tmp_path, "b", own)
    stores = open_stores(tmp_path, OPTIONS.sources)
    manifest = build_manifest(stores, OPTIONS, 1337)
    assert not validate(manifest, stores, OPTIONS, LEAST, {}).faults
    learnt = manifest.index[(manifest["usage"] == SELF_LABELLED) & (manifest["split"] == "train")]
    manifest.loc[learnt[0], "split"] = "calib"
    (fault,) = validate(manifest, stores, OPTIONS, LEAST, {}).faults
    assert fault.found == "calib, though a network gave the label"


def test_twins_with_several_labels_that_stay_are_counted_by_split(tmp_path: Path) -> None:
    sources = {
        "a": [
            *many("a", "train", 140),
            face("a/p", "train", 0, 900),
            face("a/q", "train", 1, 901),
            face("a/t", "test", 0, 902),
        ],
        "b": [
            *many("b", "test", 14, 500),
            face("b/p", "train", 1, 900),
            face("b/q", "train", 1, 901),
            face("b/t", "test", 3, 902),
        ],
    }
    for name, rows in sources.items():
        store(tmp_path / "clean", name, rows)
    counted = {}
    for choice in ("keep", "drop"):
        twins = {"across_splits": "drop", "contradictory": choice, "repeated": "keep"}
        options = OPTIONS.model_copy(
            update={
                "twins": TwinOptions.model_validate(twins),
                "val_fraction": 0,
                "calib_fraction": 0,
            }
        )
        stores = open_stores(tmp_path / "clean", options.sources)
        report = validate(
            build_manifest(stores, options, 1), stores, options, LEAST, {"all": SetFilter()}
        ).report
        counted[choice] = report["twins"]["contradictions_kept"]
    assert counted == {"keep": {"test": 1, "train": 1}, "drop": {"test": 1}}
