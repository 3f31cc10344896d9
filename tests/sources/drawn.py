"""One tiny valid tree for each layout in the registry, for tests that hold for every reader."""

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.dataset.cleaning.cleaning import CleanSummary, clean
from fer_core.sources.catalogue.descriptor import Descriptor, scanned, write_descriptor
from tests.live.acting import Clip, acted
from tests.sources import trees
from tests.sources.trees import (
    clean_options,
    encoded,
    fer2013_csv,
    fer2013_rows,
    ferplus_csv,
    picture,
    put,
)

__all__ = ["LAYOUTS", "Layout", "cleaned", "hugging_face", "session"]


class Layout(NamedTuple):
    """A tree to play with.

    Attributes:
        build: writes it into a folder.
        labels: its label files that are text, one entry a line.
        others: its other files that say what the labels are.
        images: its images.
        entry: a line of the first label file that names a file in the folder `{}`; "" where lines
            name none.
        may_be_empty: a label file without a line has a meaning.
    """

    build: Callable[[Path], object]
    labels: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    entry: str = ""
    others: tuple[str, ...] = ()
    may_be_empty: bool = False


def cleaned(work: Path, layout: str, **changes: object) -> CleanSummary:
    """Add and clean the tree in `work/raw/set` as a user does; the store is `work/set.arrow`."""
    descriptor = write_descriptor(
        work / "sources", scanned(Descriptor("set", layout, False), work / "raw", layout, "set")
    )
    return clean(descriptor, work / "set.arrow", clean_options(**changes), work / "raw")


def _fer2013(root: Path) -> None:
    fer2013_csv(
        root / "fer2013.csv", fer2013_rows([(0, "Training"), (3, "Training"), (6, "PublicTest")])
    )


def _ferplus(root: Path) -> None:
    _fer2013(root)
    lines = [
        "Training,fer0000000.png,0,0,0,1,9,0,0,0,0,0",
        "Training,,0,0,0,0,0,0,0,0,0,10",
        "PublicTest,fer0000001.png,6,0,0,4,0,0,0,0,0,0",
    ]
    ferplus_csv(root / "fer2013new.csv", lines)


_PICTURES = ("FER2013Train/fer0000000.png", "FER2013Valid/fer0028638.png")
_VOTES = ("FER2013Train/label.csv", "FER2013Valid/label.csv")


def _ferplus_pictures(root: Path) -> None:
    _put_all(_PICTURES)(root)
    for path, table, votes in zip(
        _PICTURES, _VOTES, ("9,0,0,0,1,0,0,0,0,0", "0,10,0,0,0,0,0,0,0,0"), strict=True
    ):
        (root / table).write_text(f'{Path(path).name},"(0, 0, 48, 48)",{votes}\n')


_RAF = ("train_00001", "train_00002", "test_0001")
_EXPW = ["a.jpg 0 10 10 40 40 99.5 0", "a.jpg 1 -5 20 70 50 40 3", "b.jpg 0 0 0 80 60 70 6"]
_RAFML = ("Image/aligned/0001_aligned.jpg", "Image/aligned/0002_aligned.jpg")
_FOLDER7 = ("train/happy/a.png", "train/sad/b.jpg", "test/neutral/c.bmp")
_UNLABELLED = ("a.png", "more/b.jpg", "more/still/c.webp")


def _rafml(root: Path) -> None:
    (root / "EmoLabel").mkdir()
    (root / "EmoLabel/distribution.txt").write_text(
        "0001.jpg 0.6 0.3 0 0 0.1 0\n0002.jpg 0 0 0.2 0.8 0 0\n"
    )
    (root / "EmoLabel/partition_label.txt").write_text("0001.jpg 0\n0002.jpg 1\n")
    _put_all(_RAFML)(root)


_LISTS = tuple(f"Manually_Annotated_file_lists/{name}.csv" for name in ("training", "validation"))
_AFFECTNET = tuple(f"Manually_Annotated_Images/{name}.jpg" for name in ("1/a", "1/b", "2/c"))


def _affectnet(root: Path) -> None:
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    training = [
        "1/a.jpg,10,10,30,40,1.5;2.5,1,0.7,0",
        "1/b.jpg,0,0,80,60,1;2,0,0,0",
        "1/x.jpg,NULL,NULL,NULL,NULL,NULL,9,-2,-2",
    ]
    (root / "Manually_Annotated_file_lists").mkdir()
    for name, lines in zip(_LISTS, (training, ["2/c.jpg,-5,5,50,50,1;2,6,-0.4,0.7"]), strict=True):
        (root / name).write_text("\n".join([header, *lines]) + "\n")
    for seed, image in enumerate(_AFFECTNET):
        put(root / image, seed, height=60, width=80)


_NPY = ("train_set/images/1.jpg", "train_set/images/2.jpg", "val_set/images/3.jpg")
_EXP = (
    "train_set/annotations/1_exp.npy",
    "train_set/annotations/2_exp.npy",
    "val_set/annotations/3_exp.npy",
)


def _affectnet_npy(root: Path) -> None:
    _put_all(_NPY)(root)
    for name, identifier in zip(_EXP, "163", strict=True):
        (root / name).parent.mkdir(exist_ok=True)
        np.save(root / name, np.array(identifier))


_YOLO = ("train/images/a.png", "valid/images/b.jpg")


def _affectnet_yolo(root: Path) -> None:
    (root / "data.yaml").write_text(
        "train: ../train/images\nnc: 8\nnames: [Anger, Contempt, Disgust, Fear, Happy, Neutral, "
        "Sad, Surprise]\n"
    )
    _put_all(_YOLO)(root)
    for name, text in {
        "train/labels/a.txt": "0 0.5 0.5 0.5 0.5\n1 0.2 0.2 0.1 0.1\n7 0.25 0.25 0.6 0.5\n",
        "valid/labels/b.txt": "4 0.5 0.5 1 1\n",
    }.items():
        (root / name).parent.mkdir()
        (root / name).write_text(text)


_CSV = ("faces/a.png", "faces/b.jpg", "faces/c.bmp")


def _csv_labels(root: Path) -> None:
    rows = [
        f"{name.removeprefix('faces/')},{word}" for name, word in zip(_CSV, _WORDS, strict=True)
    ]
    (root / "legend.csv").write_text("\n".join(["image,emotion", *rows]) + "\n")
    _put_all(_CSV)(root)


_WORDS = ("HAPPINESS", "sadness", "Neutral")


def hugging_face(path: Path, rows: list[dict[str, object]], names: list[str] | None) -> Path:
    """A parquet file as Hugging Face writes it; `names` are those of the labels' numbers."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.Table.from_pylist(
        [{"image": row["image"], "label": row["label"]} for row in rows],
        pa.schema([("image", image), ("label", pa.int64() if names else pa.string())]),
    )
    features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    described = json.dumps({"info": {"features": features}})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": described}), path)
    return path


def _parquet(root: Path) -> None:
    names = [name.removeprefix("faces/") for name in _CSV]
    rows: list[dict[str, object]] = [
        {
            "image": {"bytes": encoded(picture(seed), Path(name).suffix), "path": name},
            "label": seed,
        }
        for seed, name in enumerate(names)
    ]
    hugging_face(root / "train.parquet", rows, ["happy", "Sad", "contempt"])


def session(folder: Path, shown: list[int]) -> Path:
    """A recorded session of grey frames, ten a second, that is labelled as it shows; -1 is black and
    has no label.
    """
    watch = acted(folder, Clip([max(label, 0) for label in shown]))
    watch.writer.record(True)
    watch.before = lambda index: watch.writer.label(None if shown[index] < 0 else shown[index])
    deque(watch.results(), maxlen=0)
    return folder


_SESSION = ("anna/per_frame.csv", "anna/session.json")


def _webcam_session(root: Path) -> None:
    session(root / "anna", [3] * 30 + [-1] * 5)


def _put_all(paths: tuple[str, ...]) -> Callable[[Path], object]:
    return lambda root: [put(root / path, seed) for seed, path in enumerate(paths)]


LAYOUTS = {
    "fer2013": Layout(_fer2013, ("fer2013.csv",)),
    "ferplus": Layout(_ferplus, ("fer2013new.csv", "fer2013.csv")),
    "ferplus_pictures": Layout(
        _ferplus_pictures,
        _VOTES,
        _PICTURES,
        '{}fer0000009.png,"(0, 0, 48, 48)",9,0,0,0,0,0,0,0,1,0',
    ),
    "rafdb_basic": Layout(
        lambda root: trees.rafdb(root, [f"{name}.jpg {n + 1}" for n, name in enumerate(_RAF)]),
        ("EmoLabel/list_patition_label.txt",),
        tuple(f"Image/aligned/aligned/{name}_aligned.jpg" for name in _RAF),
        "{}train_00003.jpg 5",
    ),
    "rafdb_compound": Layout(
        lambda root: trees.rafdb(root, [f"{name}.jpg {n + 7}" for n, name in enumerate(_RAF)]),
        ("EmoLabel/list_patition_label.txt",),
        tuple(f"Image/aligned/aligned/{name}_aligned.jpg" for name in _RAF),
        "{}train_00003.jpg 11",
    ),
    "rafml": Layout(
        _rafml,
        ("EmoLabel/distribution.txt", "EmoLabel/partition_label.txt"),
        _RAFML,
        "{}0003.jpg 0.5 0.5 0 0 0 0",
    ),
    "expw": Layout(
        lambda root: trees.expw(root, _EXPW),
        ("label.lst",),
        ("image/origin/a.jpg", "image/origin/b.jpg"),
        "{}c.jpg 0 1 1 9 9 50 0",
    ),
    "affectnet": Layout(_affectnet, _LISTS, _AFFECTNET, "{}d.jpg,5,5,50,50,1;2,6,-0.4,0.7"),
    "affectnet_npy": Layout(_affectnet_npy, images=_NPY, others=_EXP[1:]),
    "affectnet_yolo": Layout(
        _affectnet_yolo,
        ("train/labels/a.txt", "valid/labels/b.txt"),
        _YOLO,
        others=("data.yaml",),
        may_be_empty=True,
    ),
    "csv_labels": Layout(_csv_labels, ("legend.csv",), _CSV, "{}d.png,sad"),
    "webcam_session": Layout(_webcam_session, _SESSION[:1], others=_SESSION[1:]),
    "parquet": Layout(_parquet, others=("train.parquet",)),
    "folder7": Layout(_put_all(_FOLDER7), images=_FOLDER7),
    "unlabelled": Layout(_put_all(_UNLABELLED), images=_UNLABELLED),
}
