"""The exported CSV and pictures: the original's columns, every asked-for row once, the stored
bytes.
"""

import csv
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import ArtifactError, DataError, ParamsError
from fer_core.dataset.export.exporting import (
    COLUMNS,
    Selection,
    chosen_rows,
    split_counts,
    write_csv,
    write_images,
)
from fer_core.dataset.manifest.table import read_manifest, write_manifest
from fer_core.dataset.pack.named_sets import SetFilter
from tests.dataset.tiny_stores import face, picture, store

ENCODED = {
    suffix: cv2.imencode(suffix, picture(1))[1].tobytes()
    for suffix in (".png", ".jpg", ".bmp", ".webp")
}
BLANK = {
    "reason": "",
    "usage": "",
    "duplicate_of": "",
    "weight": 1.0,
    "width": 24,
    "height": 24,
    "min_side": 24,
    "confidence": np.nan,
    "votes": None,
    "orig_image": None,
    "face_id": pd.NA,
    "bbox_top": pd.NA,
    "bbox_left": pd.NA,
    "bbox_right": pd.NA,
    "bbox_bottom": pd.NA,
}
PHOTO = {
    "orig_image": "p, 1.jpg",
    "bbox_top": 10,
    "bbox_left": 20,
    "bbox_right": 70,
    "bbox_bottom": 50,
}
ROWS = [
    {
        "sample_id": "expw/p, 1.jpg#0",
        "source": "expw",
        "row": 1,
        "label": 3,
        "split": "train",
        "face_id": 0,
        "confidence": 99.9,
        **PHOTO,
    },
    {
        "sample_id": "expw/p, 1.jpg#1",
        "source": "expw",
        "row": 0,
        "label": 0,
        "split": "calib",
        "face_id": 1,
        "confidence": 35.25,
        **PHOTO,
    },
    {"sample_id": "raf/a/test_1.jpg", "source": "raf", "row": 0, "label": 6, "split": "test"},
    {
        "sample_id": "raf/a/train_2.jpg",
        "source": "raf",
        "row": 1,
        "label": 6,
        "split": "dropped",
        "reason": "twin_in_test",
        "duplicate_of": "raf/a/test_1.jpg",
    },
    {
        "sample_id": "raf/b.jpg",
        "source": "raf",
        "row": 2,
        "label": -1,
        "split": "dropped",
        "reason": "unlabelled",
    },
]


@pytest.fixture
def manifest(tmp_path: Path) -> pd.DataFrame:
    """Five rows as they come from the file."""
    frame = pd.DataFrame([{**BLANK, "group": row["sample_id"], **row} for row in ROWS])
    frame["image_path"] = ["p, 1.jpg", "p, 1.jpg", "a/test_1.jpg", "a/train_2.jpg", "b.jpg"]
    write_manifest(tmp_path / "manifest.parquet", frame)
    return read_manifest(tmp_path / "manifest.parquet")


def exported(path: Path, rows: pd.DataFrame, with_dropped: bool = False) -> list[list[str]]:
    write_csv(path, rows, with_dropped=with_dropped)
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def test_csv_has_the_eleven_columns_of_the_original_and_class_names(
    tmp_path: Path, manifest: pd.DataFrame
) -> None:
    assert exported(tmp_path / "out/m.csv", chosen_rows(manifest, Selection())) == [
        [
            "image_path",
            "label",
            "split",
            "source",
            "confidence",
            "orig_image",
            "face_id",
            "bbox_top",
            "bbox_left",
            "bbox_right",
            "bbox_bottom",
        ],
        ["p, 1.jpg", "Happy", "train", "expw", "99.9", "p, 1.jpg", "0", "10", "20", "70", "50"],
        ["p, 1.jpg", "Angry", "calib", "expw", "35.25", "p, 1.jpg", "1", "10", "20", "70", "50"],
        ["a/test_1.jpg", "Neutral", "test", "raf", "", "", "", "", "", "", ""],
    ]
    assert b"\r" not in (tmp_path / "out/m.csv").read_bytes()


def test_dropped_rows_come_with_their_reasons(tmp_path: Path, manifest: pd.DataFrame) -> None:
    lines = exported(
        tmp_path / "m.csv", chosen_rows(manifest, Selection(with_dropped=True)), with_dropped=True
    )
    assert lines[0][len(COLUMNS) :] == ["reason", "duplicate_of"]
    assert [(line[0], line[1], line[2], *line[-2:]) for line in lines[3:]] == [
        ("a/test_1.jpg", "Neutral", "test", "", ""),
        ("a/train_2.jpg", "Neutral", "dropped", "twin_in_test", "raf/a/test_1.jpg"),
        ("b.jpg", "", "dropped", "unlabelled", ""),
    ]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(splits=["train", "calib"]), [0, 1]),
        (Selection(sources=["raf"]), [2]),
        (Selection(splits=["dropped"], with_dropped=True), [3, 4]),
        (Selection(chosen=SetFilter(split=["train", "calib"], min_confidence=50)), [0]),
        (Selection(chosen=SetFilter(split=["train", "calib"]), splits=["calib"]), [1]),
    ],
)
def test_conditions_narrow_the_rows(
    manifest: pd.DataFrame, selection: Selection, expected: list[int]
) -> None:
    assert list(chosen_rows(manifest, selection)["sample_id"]) == [
        ROWS[index]["sample_id"] for index in expected
    ]


@pytest.mark.parametrize(
    ("selection", "error", "words"),
    [
        (Selection(splits=["valid"]), ParamsError, r"(?s)--split.*valid.*train, val, calib, test"),
        (Selection(splits=["dropped"]), ParamsError, "dropped"),
        (Selection(sources=["raf", "ferplus"]), ParamsError, r"(?s)ferplus.*expw, raf"),
        (Selection(splits=["val"]), DataError, "No row"),
        (Selection(chosen=SetFilter(sources=["expw"]), set_name="hard"), DataError, r"sets\.hard"),
        (Selection(chosen=SetFilter(), with_dropped=True), ParamsError, "no dropped rows"),
    ],
)
def test_conditions_that_cannot_be_met_are_errors(
    manifest: pd.DataFrame, selection: Selection, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        chosen_rows(manifest, selection)


@given(st.lists(st.sampled_from(["train", "val", "calib", "test"]), min_size=1, max_size=30))
def test_every_kept_row_is_in_the_export_of_exactly_one_split(splits: list[str]) -> None:
    frame = pd.DataFrame(
        {"sample_id": [f"s/{n}" for n in range(len(splits))], "source": "s", "split": splits}
    )
    parts = [
        chosen_rows(frame, Selection(splits=[split]))["sample_id"].tolist() for split in set(splits)
    ]
    assert sorted(name for part in parts for name in part) == sorted(frame["sample_id"])


def stores(
    folder: Path,
    expw: tuple[str, str] = (".jpg", ".jpg"),
    raf: tuple[str, ...] = (".jpg", ".jpg", ".jpg"),
) -> Path:
    """Stores whose pictures are of these formats, in the order of the manifest's `row`."""
    for source, suffixes in {"expw": expw, "raf": raf}.items():
        ids = sorted(
            (int(str(row["row"])), str(row["sample_id"])) for row in ROWS if row["source"] == source
        )
        rows = [
            face(name, "train", 0, 7, image=ENCODED[suffix] + bytes([n]))
            for (n, name), suffix in zip(ids, suffixes, strict=True)
        ]
        store(folder, source, rows)
    return folder


def test_pictures_are_the_stored_bytes_under_unique_names(
    tmp_path: Path, manifest: pd.DataFrame
) -> None:
    clean = stores(tmp_path / "clean")
    rows = write_images(
        chosen_rows(manifest, Selection(with_dropped=True)), clean, tmp_path / "faces"
    )
    assert list(rows["image_path"]) == [
        "expw/p, 1#0.jpg",
        "expw/p, 1#1.jpg",
        "raf/a/test_1.jpg",
        "raf/a/train_2.jpg",
        "raf/b.jpg",
    ]
    written = sorted(
        path.relative_to(tmp_path / "faces").as_posix()
        for path in (tmp_path / "faces").rglob("*")
        if path.is_file()
    )
    assert written == sorted(rows["image_path"])
    assert (tmp_path / "faces/expw/p, 1#0.jpg").read_bytes() == ENCODED[
        ".jpg"
    ] + b"\1"  # row 1 of its store
    assert (tmp_path / "faces/raf/b.jpg").read_bytes() == ENCODED[".jpg"] + b"\2"


def test_suffix_follows_the_bytes_and_the_old_one_keeps_names_apart(
    tmp_path: Path, manifest: pd.DataFrame
) -> None:
    clean = stores(tmp_path / "clean", expw=(".png", ".webp"), raf=(".bmp", ".jpg", ".png"))
    rows = write_images(
        chosen_rows(manifest, Selection(with_dropped=True)), clean, tmp_path / "faces"
    )
    assert list(rows["image_path"]) == [
        "expw/p, 1.jpg#0.webp",
        "expw/p, 1.jpg#1.png",
        "raf/a/test_1.jpg.bmp",
        "raf/a/train_2.jpg",
        "raf/b.jpg.png",
    ]


def one(sample_id: str, number: int = 0) -> dict[str, object]:
    return {"sample_id": sample_id, "source": "s", "row": number}


def export_of(tmp_path: Path, ids: list[str], image: bytes = ENCODED[".png"]) -> pd.DataFrame:
    store(
        tmp_path / "clean",
        "s",
        [face(name, "train", 0, n, image=image) for n, name in enumerate(ids)],
    )
    return write_images(
        pd.DataFrame([one(name, n) for n, name in enumerate(ids)]),
        tmp_path / "clean",
        tmp_path / "faces",
    )


def test_names_of_table_rows_and_with_hash_signs_get_a_suffix_too(tmp_path: Path) -> None:
    rows = export_of(tmp_path, ["s/PublicTest-0000002", "s/take #3.PNG", "s/v1.2/photo"])
    assert list(rows["image_path"]) == [
        "s/PublicTest-0000002.png",
        "s/take #3.PNG",
        "s/v1.2/photo.png",
    ]


@pytest.mark.parametrize(
    ("ids", "image", "words"),
    [
        (["s/a.png", "s/A.png"], ENCODED[".png"], r"(?s)one file.*s/a\.png and s/A\.png"),
        (["s/a", "s/a.png"], ENCODED[".png"], "one file"),
        (["s/../../a.png"], ENCODED[".png"], "leaves the folder"),
        (["/s/a.png"], ENCODED[".png"], "leaves the folder"),
        (["s/a.png"], b"GIF89a......", "no known format"),
    ],
)
def test_faces_that_cannot_be_written_leave_nothing_behind(
    tmp_path: Path, ids: list[str], image: bytes, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        export_of(tmp_path, ids, image)
    assert [path.name for path in tmp_path.iterdir()] == ["clean"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces/mine.txt").write_text("x")
    with pytest.raises(DataError, match="empty folder"):
        export_of(tmp_path, ["s/a.png"])
    assert [path.name for path in (tmp_path / "faces").iterdir()] == ["mine.txt"]
    (tmp_path / "faces/mine.txt").unlink()
    assert len(export_of(tmp_path, ["s/a.png"])) == 1


@pytest.mark.parametrize("ids", [["s/b.png", "s/a.png"], ["s/a.png"]])
def test_another_face_store_than_the_manifests_is_refused(tmp_path: Path, ids: list[str]) -> None:
    store(tmp_path / "clean", "s", [face(name, "train", 0, n) for n, name in enumerate(ids)])
    with pytest.raises(ArtifactError, match="another face than the manifest"):
        write_images(
            pd.DataFrame([one("s/a.png", 0), one("s/b.png", 1)]),
            tmp_path / "clean",
            tmp_path / "faces",
        )


def test_counts_are_by_source_split_and_class(manifest: pd.DataFrame) -> None:
    counts = split_counts(manifest)
    assert list(counts.index) == [
        ("expw", "train"),
        ("expw", "calib"),
        ("raf", "test"),
        ("raf", "dropped"),
    ]
    assert list(counts.columns) == [
        "Angry",
        "Disgust",
        "Fear",
        "Happy",
        "Sad",
        "Surprise",
        "Neutral",
        "unlabelled",
        "total",
    ]
    assert counts.loc[("raf", "dropped")].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 2]
    assert counts.loc[("expw", "calib"), "Angry"] == 1
    assert "unlabelled" not in split_counts(manifest[manifest["label"] >= 0])


def test_no_cell_is_a_formula_and_paths_still_lead_to_their_files(
    tmp_path: Path, manifest: pd.DataFrame
) -> None:
    names = ["=cmd|x.jpg", "-1.jpg", "@a.jpg", "+b.jpg", "c.jpg"]
    rows = manifest.assign(image_path=names, orig_image=names, duplicate_of=names, bbox_left=-5)
    head, *lines = exported(tmp_path / "all.csv", rows, with_dropped=True)
    for line, name in zip(lines, names, strict=True):
        cells = dict(zip(head, line, strict=True))
        safe = name == "c.jpg"
        assert cells["image_path"] == cells["orig_image"] == (name if safe else f"./{name}")
        assert cells["duplicate_of"] == (name if safe else f"'{name}")
        assert cells["bbox_left"] == "-5", "a number"
