"""What negative learning, prototypes and the locality loss add on FER2013: each as a term of ce, kd
and dkd, with equal rows, steps and seeds, in a clone of its own.

Run: python -m bench.negatives_bench --table fer2013.csv.gz --work FOLDER --page PAGE.md
(an hour and a half of two cores; what has ended in FOLDER is not done again; FER_WEIGHTS names the
folder with the teacher's ImageNet weights, see docs/weights.md)

The replaced system measured NegL with its sign inverted (it raised the wrong class). Here the sign
is right; weights are the ones it used. Every arm is compared with its own base, over test rows and
seeds, with Holm's correction over all arms.
"""

import gzip
import shutil
from pathlib import Path
from typing import Annotated

import typer

from bench.fer2013_project import (
    SIDE,
    SMALL,
    TRAIN,
    PageFile,
    WorkFolder,
    after_scaling,
    ahead_of_bases,
    fer,
    lay_clone,
    write_page,
)
from fer_core.base.files import new_folder

BASES = {
    "ce": {"label_smoothing": 0.0},
    "kd": {"temperature": 2.0, "alpha": 0.7},
    "dkd": {"temperature": 2.0, "alpha": 1.0, "beta": 2.0},
}
TERMS = {
    "negl": {"negl": {"weight": 0.2, "ratio": 0.5, "min_entropy": 0.7}},
    "proto": {"proto": {"weight": 0.1, "gate": "topk", "share": 0.1}},
    "lp": {"lp": {"weight": 0.01, "neighbours": 20}},
}
ARMS = {f"{base}_{term}": (base, term) for base in BASES for term in TERMS}
SEEDS = [1337, 2025, 42]
CHANGES = SMALL | {
    "sets": {
        "publictest": {"usage": ["PublicTest"]},
        "some": {"split": ["train"], "most_per_class": 1500},
    },
    "teacher.set": "some",
    "student": {
        "arch": "test_resnet",
        "set": "some",
        "preprocessing": {"size": SIDE},
        "methods": [*BASES, *ARMS],
        "seeds": SEEDS,
        "train": TRAIN,
        **BASES,
        **{
            arm: {"method": base, **BASES[base], **TERMS[term]}
            for arm, (base, term) in ARMS.items()
        },
    },
    "deploy.student": "kd-1337",
}
SET = "publictest"


def main(
    table: Annotated[Path, typer.Option(help="fer2013.csv, gzipped or not.")],
    work: WorkFolder,
    page: PageFile,
) -> None:
    """Run the pipeline as far as every student's calibration, and write the page."""
    project, raw = work.resolve() / "project", work.resolve() / "raw"
    if not raw.exists():
        opened = gzip.open if table.suffix == ".gz" else open
        with (
            new_folder(raw) as folder,
            opened(table, "rb") as source,
            (folder / "fer2013.csv").open("wb") as copy,
        ):
            shutil.copyfileobj(source, copy)
    lay_clone(project, CHANGES, lambda project: fer(project, "data", "add", "fer2013", str(raw)))
    fer(project, "run", "calibrate")
    _write_page(page, project)
    typer.echo(f"wrote {page}")


def _write_page(page: Path, project: Path) -> None:
    methods = [*BASES, *ARMS]
    pairs = ahead_of_bases(project, {arm: base for arm, (base, _) in ARMS.items()}, SEEDS)
    write_page(
        page,
        "negatives.md.j2",
        project,
        bases=BASES,
        terms=TERMS,
        train=TRAIN,
        seeds=SEEDS,
        scaled={method: after_scaling(project, method, SEEDS, SET) for method in methods},
        pairs=pairs,
        arms=ARMS,
    )


if __name__ == "__main__":
    typer.run(main)
