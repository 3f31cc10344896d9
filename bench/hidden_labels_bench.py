"""What faces without labels add: FER2013 with most of its Training labels hidden, in a clone of its
own.

Run: python -m bench.hidden_labels_bench --table fer2013.csv.gz --work FOLDER --page PAGE.md
(an hour of two cores; what has ended in FOLDER is not done again; FER_WEIGHTS names the folder with
the teacher's ImageNet weights, see docs/weights.md)

A stratified share of the Training rows keeps its labels; the others become a folder of pictures,
which `student.unlabelled` names. One teacher and all students see the labelled rows; students of
kd_more see the others, too, with the teacher's answers; those of kd_long make as many steps
without them. All rows of PublicTest are measured. The hidden labels are used once, here, to say how
often the answers are right.
"""

import csv
import gzip
import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from bench.fer2013_project import (
    SIDE,
    SMALL,
    PageFile,
    WorkFolder,
    fer,
    lay_clone,
)
from fer_core.base.files import new_folder, write_text
from fer_core.base.labels import CLASSES
from fer_core.dataset.pack.rows import read_rows
from fer_core.pipeline.tuning.trials import flow
from fer_core.pixels.opencv import cv2

SEED = 1337
DRAWN = "4105623"  # classes in the order in which it is drawn who keeps a label
TRAIN = {"epochs": 12, "batch": 64, "lr": 0.004, "min_lr": 0.00001, "weight_decay": 0.05}
TRAIN |= {"lr_warmup_epochs": 2, "balance": "none", "grad_clip": 0.0, "precision": "fp32"}
CHANGES = SMALL | {
    "validate.min_per_class.train": 50,
    "validate.min_per_class.val": 5,
    "validate.min_per_class.calib": 5,
    "student": {
        "arch": "test_resnet",
        "preprocessing": {"size": SIDE},
        "methods": ["ce", "kd", "kd_more", "kd_long"],
        "seeds": [1337, 2025, 42],
        "train": TRAIN,
        "ce": {"label_smoothing": 0.1},
        "kd": {"temperature": 2.0, "alpha": 0.9},
        "kd_more": {"method": "kd", "temperature": 2.0, "alpha": 0.9},
        "kd_long": {"method": "kd", "temperature": 2.0, "alpha": 0.9, "extra_epochs": 68},
        "unlabelled": {"sources": ["hidden"], "methods": ["kd_more"]},
    },
    "evaluation.allow_unequal_budgets": True,
    "deploy.student": "kd_more-1337",
}


def main(
    table: Annotated[Path, typer.Option(help="fer2013.csv, gzipped or not.")],
    work: WorkFolder,
    page: PageFile,
    labelled: Annotated[float, typer.Option(help="Share of Training rows with a label.")] = 0.2,
) -> None:
    """Hide labels, run the pipeline, and write the page."""
    work = work.resolve() / f"{labelled:g}"
    project, raw = work / "project", work / "raw"
    hidden = _lay_raw(table, raw, labelled)

    def add_data(project: Path) -> None:
        fer(project, "data", "add", "fer2013", str(raw / "known"))
        fer(project, "data", "add", "hidden", str(raw / "hidden"), "--layout", "unlabelled")

    lay_clone(project, CHANGES, add_data)
    fer(project, "run")
    measured = work / "methods.md"
    title = "Faces without labels: FER2013 with most labels hidden"
    fer(project, "results", "--distillation", str(measured), "--title", title)
    _write_page(page, project, hidden, measured.read_text(encoding="utf-8"), labelled)
    typer.echo(f"wrote {page}")


def _lay_raw(table: Path, raw: Path, share: float) -> dict[str, int]:
    """Write both raw folders; the hidden label of every picture without one, by file name."""
    opened = gzip.open if table.suffix == ".gz" else open
    with opened(table, "rt", newline="") as stream:
        rows = list(csv.DictReader(stream))
    random, kept = np.random.default_rng(SEED), set[int]()
    training = [number for number, row in enumerate(rows) if row["Usage"] == "Training"]
    for label in DRAWN:
        of_class = [number for number in training if rows[number]["emotion"] == label]
        kept |= set(random.choice(of_class, round(share * len(of_class)), replace=False).tolist())
    # the order of classes in FER2013's table is ours
    hidden = {
        f"{number:05}.png": int(rows[number]["emotion"])
        for number in training
        if number not in kept
    }
    if raw.exists():
        return hidden
    with new_folder(raw) as folder:
        for part in ("known", "hidden"):
            (folder / part).mkdir()
        with (folder / "known" / "fer2013.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0].keys())
            writer.writeheader()
            writer.writerows(
                row
                for number, row in enumerate(rows)
                if number in kept or row["Usage"] != "Training"
            )
        for name in tqdm(hidden, desc="pictures", leave=False):
            pixels = np.array(rows[int(name[:5])]["pixels"].split(), dtype=np.uint8)
            cv2.imwrite(str(folder / "hidden" / name), pixels.reshape(SIDE, SIDE))
    return hidden


def _write_page(
    page: Path, project: Path, hidden: dict[str, int], methods: str, labelled: float
) -> None:
    report = json.loads((project / "data/unlabelled/report.json").read_text(encoding="utf-8"))
    rows = read_rows(project / "data/unlabelled/pack").frame
    answered = rows[rows["source"] == "hidden"]
    truth = np.array([hidden[key.rpartition("/")[2]] for key in answered["sample_id"]])
    right = answered["label"].to_numpy() == truth
    of_class = ", ".join(
        f"{name} {right[truth == number].mean():.2f}" for number, name in enumerate(CLASSES)
    )
    faces = ", ".join(
        f"{count:,} {why.replace('_', ' ')}" for why, count in report["faces"].items()
    )
    text = f"""

{labelled:.0%} of FER2013's Training rows keep their labels; of the others only the pictures
are known. `kd_more` is `kd` that learns from those, too, by the teacher's answers
(`student.unlabelled`). Written by `python -m bench.hidden_labels_bench`, which holds all settings.

- pictures without a label: {faces}
- the teacher's answers are right for {right.mean():.3f} of them (hidden labels are used here
  alone); by class: {of_class}
- `kd` and `kd_more`: {flow(CHANGES["student"]["kd"])}, 12 epochs each, so `kd_more` makes more
  steps; `kd_long` is `kd` with as many steps as `kd_more` (68 epochs); where val of a method
  still rose when training ended, the text below says so
"""
    head, _, rest = methods.partition("\n")
    write_text(page, head + text + rest)


if __name__ == "__main__":
    typer.run(main)
