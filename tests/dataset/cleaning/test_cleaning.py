import base64
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from fer_core.base.errors import DataError, FerError
from fer_core.base.files import sha256_file
from fer_core.dataset.cleaning import cleaning
from fer_core.dataset.cleaning.cleaning import clean
from fer_core.dataset.store.imagehash import phash, pixel_sha256, thumbnail
from fer_core.dataset.store.store import FaceStore
from fer_core.pixels.decode import decode_rgb
from fer_core.sources.catalogue.descriptor import Descriptor, scanned, write_descriptor
from fer_core.sources.layouts.expw import READER as expw
from tests.sources import trees
from tests.sources.drawn import LAYOUTS, cleaned
from tests.sources.trees import (
    clean_options,
    encoded,
    fer2013_csv,
    fer2013_rows,
    ferplus_csv,
    put,
    rafdb,
)


def add(tmp_path: Path, layout: str) -> Path:
    """Descriptor of the tree in raw/set."""
    return write_descriptor(
        tmp_path / "sources",
        scanned(Descriptor("set", layout, False), tmp_path / "raw", layout, "set"),
    )


def run(
    tmp_path: Path, descriptor: Path, **changes: object
) -> tuple[FaceStore, cleaning.CleanSummary]:
    store = tmp_path / "clean/set.arrow"
    summary = clean(descriptor, store, clean_options(**changes), tmp_path / "raw")
    return FaceStore.open(store), summary


def nothing_left(tmp_path: Path) -> bool:
    return not (tmp_path / "clean").exists() or list((tmp_path / "clean").iterdir()) == []


def test_every_image_is_decoded_and_recorded(tmp_path):
    rafdb(tmp_path / "raw/set", ["train_00001.jpg 1", "test_0001.jpg 7"])
    black = tmp_path / "raw/set/Image/aligned/aligned/test_0001_aligned.jpg"
    black.write_bytes(encoded(np.zeros((12, 30, 3), dtype=np.uint8), ".jpg"))
    descriptor = add(tmp_path, "rafdb_basic")
    store, summary = run(tmp_path, descriptor)
    frame = store.table_without_images()
    pixels = decode_rgb(store.image(0), "")
    assert frame["sample_id"].tolist() == ["set/train_00001.jpg", "set/test_0001.jpg"]
    assert (frame["pixel_sha256"][0], frame["phash"][0]) == (
        pixel_sha256(pixels),
        phash(thumbnail(pixels)),
    )
    assert store.thumbnails(np.array([0])).tobytes() == thumbnail(pixels).tobytes()
    assert frame[["width", "height"]].to_numpy().tolist() == [[20, 20], [30, 12]]
    assert frame["flag"].tolist() == ["", "blank"] and summary.flags == {"blank": 1}
    assert store.meta["announced"] == {"test": {"Neutral": 1}, "train": {"Surprise": 1}}
    assert store.meta["descriptor_sha256"] == sha256_file(descriptor)
    assert (store.meta["source"], store.meta["layout"], store.meta["adapter_version"]) == (
        "set",
        "rafdb_basic",
        3,
    )


def test_same_data_give_the_same_bytes_on_any_machine(tmp_path, monkeypatch):
    lines = [f"photo_{n // 2}.jpg {n} 5 5 {20 + n % 30} 40 80 {n % 7}" for n in range(200)]
    stores = []
    for name, threads in {"one": "1", "two": "4"}.items():
        monkeypatch.setenv("FER_THREADS", threads)
        trees.expw(tmp_path / name / "raw/set", lines)
        run(tmp_path / name, add(tmp_path / name, "expw"))
        stores.append((tmp_path / name / "clean/set.arrow").read_bytes())
    assert stores[0] == stores[1]
    assert str(tmp_path).encode() not in stores[0]


def test_votes_and_boxes_reach_the_store(tmp_path):
    fer2013_csv(tmp_path / "raw/set/fer2013.csv", fer2013_rows([(0, "Training")] * 2))
    lines = ["Training,a.png,0,8,2,0,0,0,0,0,0,0", "Training,b.png,0,0,0,0,0,0,0,8,2,0"]
    ferplus_csv(tmp_path / "raw/set/fer2013new.csv", lines)
    store, summary = run(tmp_path, add(tmp_path, "ferplus"))
    assert store.table_without_images()["votes"][0].tolist() == [0, 0, 0, 8, 0, 2, 0]
    assert [item["reason"] for item in store.meta["exclusions"]] == [
        "FERPlus: the votes say contempt"
    ]
    assert (summary.faces, summary.exclusions) == (1, {"FERPlus: the votes say contempt": 1})


def test_clipped_boxes_are_counted(tmp_path):
    trees.expw(tmp_path / "raw/set", ["a.jpg 0 10 20 50 40 88 3", "a.jpg 1 -5 20 50 40 88 3"])
    store, _ = run(tmp_path, add(tmp_path, "expw"))
    frame = store.table_without_images()
    assert frame.loc[
        1, ["bbox_top", "bbox_left", "bbox_bottom", "bbox_right", "face_id"]
    ].tolist() == [-5, 20, 40, 50, 1]
    assert frame["orig_image"].tolist() == ["a.jpg", "a.jpg"]
    assert store.meta["notes"] == {"box clipped to the photo": 1}


def test_undecodable_images_stop_the_stage_and_are_listed(tmp_path):
    for name in "abcd":
        put(tmp_path / f"raw/set/train/happy/{name}.png", seed=ord(name))
    for name in "bd":
        path = tmp_path / f"raw/set/train/happy/{name}.png"
        path.write_bytes(path.read_bytes()[:-9])
    descriptor = add(tmp_path, "folder7")
    with pytest.raises(
        DataError,
        match=r"(?s)2 images cannot be decoded.*happy/b\.png.*happy/d\.png.*at most "
        r"1.*allow_undecodable",
    ):
        run(tmp_path, descriptor, allow_undecodable=1)
    assert nothing_left(tmp_path)
    store, summary = run(tmp_path, descriptor, allow_undecodable=2)
    assert len(store) == 2 and summary.exclusions == {"undecodable image": 2}
    assert [item["sample_id"] for item in store.meta["exclusions"]] == [
        "set/train/happy/b.png",
        "set/train/happy/d.png",
    ]


def test_image_over_the_pixel_limit_is_undecodable(tmp_path):
    put(tmp_path / "raw/set/happy/a.png")
    with pytest.raises(DataError, match="more pixels than allowed"):
        run(tmp_path, add(tmp_path, "folder7"), max_pixels=399)


def test_changed_raw_folder_stops_the_stage(tmp_path):
    put(tmp_path / "raw/set/happy/a.png")
    descriptor = add(tmp_path, "folder7")
    put(tmp_path / "raw/set/happy/b.png")
    with pytest.raises(DataError, match="fer data refresh set"):
        run(tmp_path, descriptor)
    assert nothing_left(tmp_path)


def test_entry_that_a_reader_loses_is_noticed(tmp_path, monkeypatch):
    trees.expw(tmp_path / "raw/set", ["a.jpg 0 10 20 50 40 88 3", "a.jpg 1 10 20 50 40 88 3"])
    descriptor = add(tmp_path, "expw")
    scan = expw.scan
    monkeypatch.setattr(expw, "scan", lambda *arguments: list(scan(*arguments))[:1])
    with pytest.raises(DataError, match="do not add up"):
        run(tmp_path, descriptor)
    monkeypatch.setattr(expw, "scan", lambda *arguments: list(scan(*arguments))[:1] * 2)
    with pytest.raises(DataError, match="occurs twice"):
        run(tmp_path, descriptor)
    assert nothing_left(tmp_path)


def test_absent_data_set_gives_an_empty_store(tmp_path):
    store, summary = run(
        tmp_path, write_descriptor(tmp_path / "sources", Descriptor("set", "expw", False))
    )
    assert len(store) == 0 and summary.faces == 0 and store.meta["layout"] == "expw"


@pytest.mark.parametrize("layout", ["fer2013", "ferplus", "rafdb_basic", "expw"])
def test_embedded_sample_goes_through_the_reader_of_its_layout(tmp_path, layout):
    sample = {"seed": 5, "faces": 28, "duplicates": 1, "contradictions": 1, "non_faces": 2}
    descriptor = write_descriptor(
        tmp_path / "sources", Descriptor("set", layout, True, sample=sample)
    )
    store, summary = run(tmp_path, descriptor)
    assert summary.faces == len(store) > 15
    assert sum(sum(words.values()) for words in store.meta["announced"].values()) == len(
        store
    ) + len(store.meta["exclusions"])
    assert set(store.table_without_images()["label"]) <= set(range(7))


def test_stage_writes_its_out_and_leaves_none_on_failure(tmp_path, monkeypatch):
    from stages.clean import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_RAW", str(tmp_path / "raw"))
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / "params.yaml").write_text(
        yaml.safe_dump({"clean": clean_options().model_dump(mode="json")}), encoding="utf-8"
    )
    put(tmp_path / "raw/set/happy/a.png", height=9, width=9)
    sources = write_descriptor(
        tmp_path / "data/sources",
        scanned(Descriptor("set", "folder7", False), tmp_path / "raw", "folder7", "set"),
    )
    main("set")
    assert len(FaceStore.open(tmp_path / "data/clean/set.arrow")) == 1
    (tmp_path / "data/clean/set.arrow").unlink()
    sources.write_text(json.dumps(json.loads(sources.read_text()) | {"bytes": 1}))
    with pytest.raises(FerError):
        main("set")
    assert list((tmp_path / "data/clean").iterdir()) == []
    with pytest.raises(DataError, match=r"name a known data set, or `fer data add"):
        main("sett")


def test_the_first_sixteen_pictures_of_each_reason_for_an_exclusion_are_kept_to_be_looked_at(
    tmp_path,
):
    put(tmp_path / "raw/set/happy/a.png")
    for number in range(20):
        put(tmp_path / f"raw/set/contempt/{number:02}.png", number, height=100, width=80)
    (tmp_path / "raw/set/contempt/00.png").write_bytes(b"no image")
    (tmp_path / "raw/set/happy/notes.txt").write_text("x")
    store, _ = run(tmp_path, add(tmp_path, "folder7"))
    kept = store.meta["excluded_pictures"]
    assert list(kept) == ["folder name is none of the seven classes"]
    pictures = kept["folder name is none of the seven classes"]
    assert [picture["sample_id"] for picture in pictures] == [
        f"set/contempt/{number:02}.png" for number in range(1, 17)
    ]
    assert decode_rgb(base64.b64decode(pictures[0]["jpeg"]), "x").shape == (64, 51, 3)
    assert len(store.meta["exclusions"]) == 21 and set(store.meta["exclusions"][0]) == {
        "sample_id",
        "reason",
        "detail",
    }


def test_what_every_reader_leaves_out_can_be_looked_at(tmp_path):
    shown = {}
    for layout in ("ferplus", "expw", "affectnet_yolo"):
        root = tmp_path / layout / "raw/set"
        root.mkdir(parents=True)
        LAYOUTS[layout].build(root)
        if layout == "affectnet_yolo":
            (root / "train/labels/a.txt").write_text("1 0.2 0.2 0.1 0.1\n")
        cleaned(tmp_path / layout, layout, expw={"min_confidence": 60.0})
        shown[layout] = FaceStore.open(tmp_path / layout / "set.arrow").meta["excluded_pictures"]
    assert {
        layout: [(reason, len(pictures)) for reason, pictures in found.items()]
        for layout, found in shown.items()
    } == {
        "ferplus": [("FERPlus: no image name", 1)],
        "expw": [("ExpW: confidence below the minimum", 1)],
        "affectnet_yolo": [("AffectNet: class name is none of the seven", 1)],
    }


def test_a_jpeg_with_a_damaged_scan_counts_as_undecodable(tmp_path):
    path = put(tmp_path / "raw/set/happy/a.jpg", height=96, width=128)
    put(tmp_path / "raw/set/happy/b.jpg", 1)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 + 150] + b"\xff\xd9")
    with pytest.raises(DataError, match=r"(?s)1 images cannot be decoded.*a\.jpg.*Corrupt JPEG"):
        cleaned(tmp_path, "folder7")
    summary = cleaned(tmp_path, "folder7", allow_undecodable=1)
    assert summary.faces == 1 and summary.exclusions == {"undecodable image": 1}
