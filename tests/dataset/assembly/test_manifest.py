"""The manifest: every face once, final splits, the same bytes whatever the order of faces."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from fer_core.base.errors import ArtifactError, DataError, ParamsError
from fer_core.base.files import sha256_file
from fer_core.base.labels import SELF_LABELLED
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.manifest.table import read_manifest, write_manifest
from fer_core.dataset.store.store import StoreRow
from tests.dataset.assembly.built import build_manifest
from tests.dataset.tiny_stores import face, many, store
from tests.sources.drawn import cleaned
from tests.sources.trees import put

VALUES = {
    "val_fraction": 0.1,
    "calib_fraction": 0.1,
    "test_fraction": {},
    "non_faces": "drop",
    "twins": {"across_splits": "drop", "contradictory": "drop", "repeated": "drop"},
    "near_duplicate_bits": 4,
    "near_duplicate_correlation": 0.98,
}


def build(
    folder: Path,
    seed: int = 1337,
    changes: dict[str, object] | None = None,
    **sources: list[StoreRow],
) -> pd.DataFrame:
    """Manifest of these sources, most preferred first, indexed by sample_id."""
    for source, rows in sources.items():
        store(folder, source, rows)
    options = ManifestOptions.model_validate({"sources": list(sources)} | VALUES | (changes or {}))
    return build_manifest(open_stores(folder, options.sources), options, seed).set_index(
        "sample_id", drop=False
    )


def test_every_face_has_one_row_that_leads_back_to_its_store(tmp_path: Path) -> None:
    manifest = build(
        tmp_path,
        a=many("a", "train", 70),
        b=[*many("b", "none", 2, 500), *many("b", "test", 20, 200)][::-1],
    )
    assert manifest["sample_id"].is_monotonic_increasing
    assert len(manifest) == 92
    stores = open_stores(tmp_path, ["a", "b"])
    for row in manifest.itertuples():
        assert stores[row.source].table_without_images()["sample_id"][row.row] == row.sample_id


def test_a_source_without_val_gives_val_and_calib_and_test_stays_test(tmp_path: Path) -> None:
    manifest = build(
        tmp_path,
        a=[*many("a", "train", 140), *many("a", "test", 14, 300)],
        b=[*many("b", "train", 70, 500), *many("b", "val", 7, 600)],
    )
    counts = manifest.groupby("source")["split"].value_counts()
    assert counts["a"].to_dict() == {"train": 112, "val": 14, "calib": 14, "test": 14}
    assert counts["b"].to_dict() == {"train": 63, "val": 7, "calib": 7}
    assert (manifest["weight"] == 1).all()


def test_a_source_without_test_gives_whole_photos_to_a_carved_test_split(tmp_path: Path) -> None:
    rows = [face(f"a/{i:03}", "train", i % 7, i, group=f"photo{i // 2}") for i in range(140)]
    manifest = build(
        tmp_path, changes={"test_fraction": {"a": 0.25}}, a=rows, b=many("b", "train", 70, 500)
    )
    assert abs((manifest.loc[manifest["source"] == "a", "split"] == "test").sum() - 35) <= 2
    assert (manifest.loc[manifest["source"] == "b", "split"] != "test").all()
    assert (manifest.groupby("group")["split"].nunique() == 1).all()


def test_a_source_with_a_test_split_of_its_own_is_not_carved(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"manifest\.test_fraction\.a"):
        build(
            tmp_path,
            changes={"test_fraction": {"a": 0.25}},
            a=[*many("a", "train", 70), *many("a", "test", 7, 300)],
        )


def test_every_source_without_test_can_be_carved_by_one_key(tmp_path: Path) -> None:
    manifest = build(
        tmp_path,
        changes={"missing_test_fraction": 0.2, "test_fraction": {"c": 0.5}},
        a=[*many("a", "train", 70), *many("a", "test", 14, 300)],
        b=many("b", "train", 70, 500),
        c=many("c", "train", 70, 700),
    )
    tested = manifest[manifest["split"] == "test"].groupby("source").size().to_dict()
    assert tested == {"a": 14, "b": 14, "c": 35}


def test_near_twins_are_found_across_sources_by_their_pictures(tmp_path: Path) -> None:
    train = [
        face("a/1", "train", 0, 1),
        face("a/2", "train", 0, 2, brighter=2),
        face("a/3", "train", 0, 3),
    ]
    manifest = build(tmp_path, a=train, b=[face("b/1", "test", 5, 1), face("b/2", "test", 5, 2)])
    assert manifest["reason"].to_dict() == {
        "a/1": "twin_in_test",
        "a/2": "twin_in_test",
        "a/3": "",
        "b/1": "",
        "b/2": "",
    }
    assert manifest["duplicate_of"]["a/2"] == "b/2"


def test_the_order_of_sources_is_the_preference(tmp_path: Path) -> None:
    fer, plus = [face("fer/1", "train", 0, 1)], [face("plus/1", "train", 4, 1)]
    assert build(tmp_path / "1", plus=plus, fer=fer)["split"].to_dict() == {
        "fer/1": "dropped",
        "plus/1": "train",
    }
    assert build(tmp_path / "2", fer=fer, plus=plus)["split"].to_dict() == {
        "fer/1": "train",
        "plus/1": "dropped",
    }


def test_the_faces_of_a_photo_and_of_the_photos_of_its_twins_are_carved_together(
    tmp_path: Path,
) -> None:
    rows = [face(f"a/{i:03}", "train", i % 7, i, group=f"photo{i // 2}") for i in range(100)]
    rows += [
        face(f"a/{i:03}#2", "train", i % 7, i, group=f"crop{i}") for i in range(0, 100, 4)
    ]  # again in a photo of its own ...
    rows += [
        face(f"a/{i:03}#3", "train", i % 7, 200 + i, group=f"crop{i}") for i in range(0, 100, 4)
    ]  # ... with somebody else
    for seed in range(3):
        kept = build(tmp_path, seed, a=rows).query("split != 'dropped'")
        assert (kept.groupby("group")["split"].nunique() == 1).all()
        assert all(
            kept["split"][f"a/{i:03}"] == kept["split"][f"a/{i:03}#3"] for i in range(0, 100, 4)
        )
        assert set(kept["split"]) == {"train", "val", "calib"}


def test_the_order_of_faces_in_a_store_does_not_matter(tmp_path: Path) -> None:
    rows = [
        *many("a", "train", 60),
        *[face(f"a/twin{i}", "train", i % 7, 10_000 + i) for i in range(20)],
    ]
    columns = ["split", "reason", "duplicate_of", "label"]
    there, back = (
        build(tmp_path / "1", a=rows)[columns],
        build(tmp_path / "2", a=rows[::-1])[columns],
    )
    pd.testing.assert_frame_equal(there, back)


def test_a_source_of_test_rows_moves_no_other_row_unless_it_holds_a_twin(tmp_path: Path) -> None:
    train = [*many("a", "train", 100), *many("a", "val", 7, 200)]
    alone = build(tmp_path / "1", a=train)
    more = build(
        tmp_path / "2", a=train, b=[*many("b", "test", 30, 500), face("b/twin", "test", 3, 10_000)]
    )
    changed = alone["split"][more["split"][alone.index] != alone["split"]]
    assert "a/train-0000" in changed.index
    assert more["reason"]["a/train-0000"] == "twin_in_test"
    without = build(tmp_path / "3", a=train, b=many("b", "test", 30, 500))
    assert without["split"][alone.index].equals(alone["split"])


def test_non_faces_leave_train_and_stay_in_test(tmp_path: Path) -> None:
    rows = [
        face(f"a/{split}", split, 0, i, flag="blank")
        for i, split in enumerate(("train", "val", "test"))
    ]
    assert build(tmp_path / "1", a=rows)["reason"].to_dict() == {
        "a/train": "non_face",
        "a/val": "non_face",
        "a/test": "",
    }
    kept = build(tmp_path / "2", a=rows, changes={"non_faces": "keep"})
    assert kept["reason"].to_dict() == {"a/train": "", "a/val": "", "a/test": ""}


def test_unlabelled_and_splitless_faces_are_listed_with_the_reason(tmp_path: Path) -> None:
    manifest = build(
        tmp_path,
        a=[face("a/1", "train", -1, 1), face("a/2", "none", 0, 2), face("a/3", "train", 0, 1)],
    )
    assert manifest["reason"].to_dict() == {"a/1": "unlabelled", "a/2": "no_split", "a/3": ""}


def test_an_unlabelled_face_does_not_link_two_that_are_no_twins(tmp_path: Path) -> None:
    ends = [
        face("a/1", "train", 0, 1, brighter=0),
        face("a/2", "test", 0, 1, brighter=0b11111),
    ]  # perceptual hashes 5 bits apart
    between = face("a/3", "train", -1, 1, brighter=0b111)
    assert build(tmp_path, a=[*ends, between])["reason"].to_dict() == {
        "a/1": "",
        "a/2": "",
        "a/3": "unlabelled",
    }


def test_columns_of_the_face_are_kept(tmp_path: Path) -> None:
    votes = (0.0, 0, 0, 8, 0, 0, 2)
    box = {"bbox_top": 1, "bbox_left": 2, "bbox_bottom": 25, "bbox_right": 26}
    extra = {
        "confidence": 55.5,
        "votes": votes,
        "orig_image": "p#1.jpg",
        "face_id": 3,
        "width": 30,
        **box,
    }
    write_manifest(
        tmp_path / "m.parquet",
        build(
            tmp_path,
            a=[face("a/in/p#1.jpg#3", "train", 3, 1, **extra), face("a/q.jpg", "train", 3, 2)],
        ),
    )
    one, other = read_manifest(tmp_path / "m.parquet").to_dict("records")
    assert one["votes"].tolist() == list(votes)
    assert {key: one[key] for key in box} == box
    assert (one["image_path"], one["orig_image"], one["face_id"], one["confidence"]) == (
        "in/p#1.jpg",
        "p#1.jpg",
        3,
        55.5,
    )
    assert (one["min_side"], other["image_path"], other["votes"]) == (24, "q.jpg", None)
    assert pd.isna(other["face_id"])


def test_a_picture_that_another_source_votes_on_has_these_votes_whichever_row_stays(
    tmp_path: Path,
) -> None:
    votes = (0.0, 0, 6, 0, 0, 4, 0)
    manifest = build(
        tmp_path,
        a=[face("a/1", "train", 2, 1), face("a/2", "train", 2, 2), face("a/3", "test", 2, 3)],
        b=[
            face("b/1", "train", 5, 1, votes=votes),
            face("b/2", "train", 5, 2, brighter=1, votes=votes),
            face("b/3", "test", 5, 3, votes=votes),
        ],
    )
    assert manifest.loc["b/1", "reason"] == "duplicate_in_train"
    assert [list(manifest.loc[key, "votes"]) for key in ("a/1", "a/3", "b/1", "b/3")] == [
        list(votes)
    ] * 4
    assert manifest.loc["a/1", "label"] == 2
    assert manifest.loc["a/2", "votes"] is None  # a near twin is another picture


def test_a_picture_keeps_its_own_votes_and_takes_those_of_the_preferred_source(
    tmp_path: Path,
) -> None:
    one, two = (1.0, 0, 0, 9, 0, 0, 0), (0.0, 0, 0, 10, 0, 0, 0)
    manifest = build(
        tmp_path,
        a=[face("a/1", "train", 3, 1)],
        b=[face("b/1", "train", 3, 1, votes=one)],
        c=[face("c/1", "train", 3, 1, votes=two)],
    )
    assert [list(votes) for votes in manifest["votes"]] == [list(one), list(one), list(two)]


def test_the_same_faces_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("1", "2"):
        write_manifest(
            tmp_path / f"{name}.parquet", build(tmp_path / name, a=many("a", "train", 50))
        )
    assert sha256_file(tmp_path / "1.parquet") == sha256_file(tmp_path / "2.parquet")


def test_one_sample_id_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="twice"):
        build(tmp_path, a=[face("a/1", "train", 0, 1), face("a/1", "train", 0, 2)])


def test_a_listed_source_without_faces_says_how_to_add_it(tmp_path: Path) -> None:
    store(tmp_path, "a", [])
    with pytest.raises(DataError, match="fer data add a PATH"):
        open_stores(tmp_path, ["a"])


def test_an_unknown_source_is_an_error_that_lists_the_known(tmp_path: Path) -> None:
    store(tmp_path, "fer2013", [])
    with pytest.raises(ParamsError, match=r"fer2031[\s\S]*fer2013"):
        open_stores(tmp_path, ["fer2031"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"sources": []},
        {"sources": ["a", "a"]},
        {"val_fraction": 0.9},
        {"near_duplicate_bits": 17},
        {"x": 1},
        {"eval_only": ["b"]},
        {"eval_only": ["a"]},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        ManifestOptions(**{"sources": ["a"], "calib_fraction": 0.1, **VALUES, **wrong})


def test_another_table_is_no_manifest(tmp_path: Path) -> None:
    pd.DataFrame({"sample_id": ["a"]}).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(ArtifactError, match="another kind"):
        read_manifest(tmp_path / "m.parquet")


def test_a_source_that_only_evaluates_gives_test_rows_and_displaces_nobody(tmp_path: Path) -> None:
    twin = face("e/twin", "train", 0, 10_000)  # the picture of a/train-0000
    manifest = build(
        tmp_path,
        changes={"eval_only": ["e", "c"], "test_fraction": {"c": 0.5}},
        e=[*many("e", "train", 14, 300), *many("e", "test", 7, 400), twin],
        c=many("c", "train", 28, 600),
        a=many("a", "train", 140),
    )
    assert set(manifest.loc[manifest["source"] == "e", "split"]) == {"test", "dropped"}
    assert manifest.loc["e/twin", "reason"] == "eval_only"
    assert manifest.loc["a/train-0000", "split"] != "dropped"
    carved = manifest[manifest["source"] == "c"]
    assert carved["split"].value_counts().to_dict() == {"test": 14, "dropped": 14}
    assert set(carved.loc[carved["split"] == "dropped", "reason"]) == {"eval_only"}


def test_an_uncleaned_edition_never_trains(tmp_path: Path) -> None:
    with pytest.raises(
        ValidationError, match=r"b_uncleaned: an uncleaned edition is only evaluated"
    ):
        ManifestOptions.model_validate({"sources": ["a", "b_uncleaned"]} | VALUES)
    rows = [*many("b_uncleaned", "train", 7, 200), *many("b_uncleaned", "test", 7, 300)]
    manifest = build(
        tmp_path, changes={"eval_only": ["b_uncleaned"]}, a=many("a", "train", 70), b_uncleaned=rows
    )
    assert set(manifest.loc[manifest["source"] == "b_uncleaned", "split"]) == {"dropped", "test"}


def test_a_set_that_loses_many_faces_to_near_twins_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    posed = [face(f"a/{i:03}", "train", 3, 1, brighter=i) for i in range(4)]
    exact = [face(f"b/{i:03}", "train", 3, 2 + i // 2) for i in range(40)]
    build(tmp_path, a=[*many("a", "train", 30), *posed], b=[*exact, *many("b", "train", 30, 500)])
    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert warning.startswith("a: 3 of 34 faces leave because of near twins in this data set")
    assert "duplicate_in_train 3" in warning and "--group-pattern" in warning


def test_a_picture_listed_twice_with_two_labels_leaves_as_a_contradiction(tmp_path: Path) -> None:
    root = tmp_path / "raw/set"
    rows = ["a.png,sad", "b.png,happy", "a.png,ANGER", "c.png,sad", "c.png,Sadness"]
    for seed, name in enumerate("abc"):
        put(root / f"{name}.png", seed)
    (root / "list.csv").write_text("\n".join(["file_name,label", *rows]) + "\n")
    cleaned(tmp_path, "csv_labels")
    options = ManifestOptions.model_validate({"sources": ["set"]} | VALUES)
    manifest = build_manifest(open_stores(tmp_path, ["set"]), options, 1).set_index("sample_id")
    assert manifest["reason"].to_dict() == {
        "set/a.png": "contradictory_twins",
        "set/a.png#2": "contradictory_twins",
        "set/b.png": "",
        "set/c.png": "",
        "set/c.png#2": "duplicate_in_train",
    }
    assert manifest.loc["set/a.png", "image_path"] == manifest.loc["set/a.png#2", "image_path"]


def test_self_labelled_faces_stay_in_train_and_lend_their_votes_to_nobody(tmp_path: Path) -> None:
    own = [
        replace(row, usage=SELF_LABELLED, votes=[1.0] * 7)
        for row in many("b", "train", 70, start=500)
    ]
    manifest = build(tmp_path, a=many("a", "train", 70), b=own)
    found = manifest[manifest["source"] == "b"]
    assert set(zip(found["split"], found["reason"], strict=True)) == {
        ("train", ""),
        ("dropped", "self_labelled"),
    }
    people = [
        replace(row, sample_id=f"a/{number}", group=f"a/{number}", usage="", votes=None)
        for number, row in enumerate(own)
    ]
    manifest = build(tmp_path, b=own, a=people)
    assert manifest.loc[manifest["source"] == "a", "votes"].isna().all()
    assert set(manifest.loc[manifest["source"] == "b", "reason"]) == {"self_labelled"}
