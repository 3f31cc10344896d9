"""What is packed together: rows that show one picture are of one group."""

from pathlib import Path

from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.assembly.packing import pack_half
from fer_core.dataset.pack.folds import train_folds
from fer_core.dataset.pack.pack import PackOptions
from fer_core.dataset.pack.rows import read_rows
from tests.dataset.assembly.built import build_manifest
from tests.dataset.assembly.test_manifest import VALUES
from tests.dataset.tiny_stores import face, many, store


def test_folds_keep_repeated_pictures_and_their_photos_together(tmp_path: Path) -> None:
    """With `twins.repeated: keep` copies stay; `b/copy` shows the picture of `a/one`, whose photo
    holds `a/other`, so the three are of one group.
    """
    store(
        tmp_path,
        "a",
        [
            *many("a", "train", 70),
            face("a/one", "train", 3, 20_000, group="photo"),
            face("a/other", "train", 3, 20_001, group="photo"),
        ],
    )
    copies = [face(f"b/{n:02}", "train", n % 7, 10_000 + n) for n in range(40)]
    store(tmp_path, "b", [*copies, face("b/copy", "train", 3, 20_000)])
    stores = open_stores(tmp_path, ["a", "b"])
    options = ManifestOptions.model_validate(
        {"sources": ["a", "b"]}
        | VALUES
        | {"val_fraction": 0.0, "calib_fraction": 0.0}
        | {"twins": {**VALUES["twins"], "repeated": "keep"}}
    )
    manifest = build_manifest(stores, options, 1337)
    twins = manifest[(manifest["duplicate_of"] != "") & (manifest["split"] == "train")]
    assert len(twins) == 41
    pack_half(
        tmp_path / "pack",
        manifest[manifest["split"] == "train"],
        stores,
        PackOptions(shard_megabytes=1.0),
    )
    frame = read_rows(tmp_path / "pack").frame
    group_of = frame.set_index("sample_id")["group"]
    assert {group_of[name] for name in ("a/one", "a/other", "b/copy")} == {"photo"}
    fold_of = dict(zip(frame["sample_id"], train_folds(frame, 5), strict=True))
    for one, other in zip(twins["sample_id"], twins["duplicate_of"], strict=True):
        assert fold_of[one] == fold_of[other]
    assert frame["group"].nunique() == 71
