"""A manifest's rows are checked part by part with the same outcome as all at once."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.gate.checks import MinPerClass
from fer_core.dataset.gate.rows import check_rows
from fer_core.dataset.gate.validation import ValidateOptions, Validation, validate
from fer_core.dataset.pack.named_sets import SetFilter
from fer_core.dataset.store.store import FaceStore
from tests.dataset.assembly.built import build_manifest
from tests.dataset.tiny_stores import face, many, store

OPTIONS = ManifestOptions.model_validate(
    {
        "sources": ["b", "a"],
        "val_fraction": 0.1,
        "calib_fraction": 0.1,
        "test_fraction": {},
        "non_faces": "drop",
        "twins": {"across_splits": "drop", "contradictory": "drop", "repeated": "drop"},
        "near_duplicate_bits": 4,
        "near_duplicate_correlation": 0.98,
    }
)
LEAST = ValidateOptions(min_per_class=MinPerClass(train=2, val=1, calib=1, test=5))
SETS = {
    "all": SetFilter(),
    "best": SetFilter(split=["train"], most_per_class=3),
    "typo": SetFilter(usage=["no such"]),
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, FaceStore]:
    folder: Path = tmp_path_factory.mktemp("clean")
    repeated = [face(f"a/again-{n}", "train", n % 7, 10_000 + n, brighter=n % 3) for n in range(9)]
    odd = [face("a/none", "none", 2, 1), face("a/unlabelled", "train", -1, 2)]
    store(folder, "a", [*many("a", "train", 140), *repeated, *odd])
    blank = face("b/blank", "test", 2, 5, flag="blank")
    store(folder, "b", [*many("b", "test", 14, 500), face("b/near", "test", 2, 10_020), blank])
    return open_stores(folder, OPTIONS.sources)


@pytest.fixture
def manifest(stores: Mapping[str, FaceStore]) -> pd.DataFrame:
    """A manifest with many kinds of faults, in no order."""
    table = build_manifest(stores, OPTIONS, 1337)
    table = table.sample(frac=1, random_state=1, ignore_index=True)
    kept = table.index[table["split"] == "train"]
    table.loc[kept[0], "split"] = "valid"
    table.loc[kept[1], ["label", "weight"]] = [7, 0.0]
    table.loc[kept[2], "row"] = 9999
    table.loc[kept[3], "sample_id"] = "c/ünknown"
    table.loc[kept[4], "sample_id"] = table["sample_id"][kept[5]]
    table.loc[kept[6], ["split", "bbox_top"]] = ["test", 3]
    table.loc[kept[7:9], "group"] = "photo"
    table.loc[kept[8], "split"] = "val"
    left = table.index[table["reason"].str.contains("twin|duplicate")]
    table.loc[left[:4], ["split", "reason"]] = ["train", ""]
    return table.drop(index=kept[10]).reset_index(drop=True)


def seen(manifest: object, stores: Mapping[str, FaceStore]) -> Validation:
    return validate(manifest, stores, OPTIONS, LEAST, SETS)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_parts_are_seen_as_the_whole_is(
    stores: Mapping[str, FaceStore], manifest: pd.DataFrame, size: int
) -> None:
    whole = seen(manifest, stores)
    parts = seen((manifest[at : at + size] for at in range(0, len(manifest), size)), stores)
    assert {fault.check for fault in whole.faults} >= {
        *("unique id", "face store", "path", "label", "split", "weight", "box", "leakage"),
        *("minimum", "named set"),
    }
    assert parts.report == whole.report
    assert sorted(map(str, parts.faults)) == sorted(map(str, whole.faults))


def test_the_order_of_the_rows_changes_no_number(
    stores: Mapping[str, FaceStore], manifest: pd.DataFrame
) -> None:
    assert seen(manifest, stores).report == seen(manifest.sort_values("label"), stores).report


def test_a_face_is_missing_only_where_no_row_has_its_key(stores: Mapping[str, FaceStore]) -> None:
    table = build_manifest(stores, OPTIONS, 1337)
    one, other, third = table.index[table["source"] == "a"][:3]
    table.loc[[one, other], "row"] = table.loc[[other, one], "row"].to_numpy()
    assert check_rows([table], stores).missing == []
    gone = table.loc[third, "sample_id"]
    table.loc[third, "sample_id"] = "a/other"
    assert check_rows([table.drop(index=other)], stores).missing == sorted(
        [gone, table.loc[other, "sample_id"]]
    )


def test_words_are_categories_and_keys_are_ranked(stores: Mapping[str, FaceStore]) -> None:
    table = build_manifest(stores, OPTIONS, 1337).sample(frac=1, random_state=2)
    checked = check_rows([table[:50], table[50:]], stores)
    assert checked.table["sample_id"].tolist() == table["sample_id"].tolist()
    assert checked.table["source"].cat.categories.tolist() == ["a", "b"]
    ordered = checked.table.sort_values("rank")["sample_id"].tolist()
    assert ordered == sorted(table["sample_id"])
    assert checked.faults == []
