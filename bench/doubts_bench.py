"""What it brings to trust labels less that teachers doubt, on FER2013, judged by its own labels and
by FERPlus's.

Run: python -m bench.doubts_bench --data FOLDER --work FOLDER --page PAGE.md
(three quarters of an hour of two cores; what has ended in --work is not done again; FER_WEIGHTS
names the folder with the teacher's ImageNet weights, see docs/weights.md)

--data holds fer2013.csv(.gz) and fer2013new.csv. FERPlus brings test rows alone: train rows keep
FER2013's labels, about which people agree less.
"""

from pathlib import Path
from typing import Any

import typer

from bench.fer2013_project import (
    SIDE,
    SMALL,
    TRAIN,
    DataFolder,
    PageFile,
    WorkFolder,
    after_scaling,
    ahead_of_bases,
    both_label_sets,
    fer,
    lay_clone,
    write_page,
)

FOLDS = 3
SEEDS = [1337, 2025, 42]
KD = {"temperature": 2.0, "alpha": 0.7}
DKD = {"temperature": 2.0, "alpha": 1.0, "beta": 2.0}
DOUBT = {"least": 0.7, "weight": 0.0}
METHODS: dict[str, dict[str, Any]] = {
    "ce": {"label_smoothing": 0.0},
    "kd": KD,
    "kd_doubt": {"method": "kd", **KD, "doubt": DOUBT},
    "dkd": DKD,
    "dkd_doubt": {"method": "dkd", **DKD, "doubt": DOUBT},
}
ARMS = {"kd_doubt": "kd", "dkd_doubt": "dkd"}
SETS = ["fer2013_publictest", "ferplus_publictest"]
CHANGES = SMALL | {
    "manifest.sources": ["fer2013", "ferplus"],
    "sets": {
        "fer2013_publictest": {"sources": ["fer2013"], "usage": ["PublicTest"]},
        "ferplus_publictest": {"sources": ["ferplus"], "usage": ["PublicTest"]},
        "some": {"sources": ["fer2013"], "split": ["train"], "most_per_class": 1000},
    },
    "pack.train_sets": ["some"],
    "teacher.set": "some",
    "teacher.folds": FOLDS,
    "evaluation.compare_set": SETS[0],
    "deploy.student": "kd-1337",
    "student": {
        "arch": "test_resnet",
        "set": "some",
        "preprocessing": {"size": SIDE},
        "methods": list(METHODS),
        "seeds": SEEDS,
        "train": TRAIN,
        **METHODS,
    },
}


def main(
    data: DataFolder,
    work: WorkFolder,
    page: PageFile,
) -> None:
    """Run the pipeline as far as every student's calibration, and write the page."""
    project = work.resolve() / "project"
    lay_clone(project, CHANGES, both_label_sets(data))
    fer(project, "run", "calibrate")
    _write_page(page, project)
    typer.echo(f"wrote {page}")


def _write_page(page: Path, project: Path) -> None:
    scaled = {
        name: {method: after_scaling(project, method, SEEDS, name) for method in METHODS}
        for name in SETS
    }
    of_set = scaled[SETS[1]]
    ahead = {
        arm: [
            one["macro_f1"]["value"] - other["macro_f1"]["value"]
            for one, other in zip(of_set[arm], of_set[base], strict=True)
        ]
        for arm, base in ARMS.items()
    }
    write_page(
        page,
        "doubts.md.j2",
        project,
        folds=FOLDS,
        seeds=SEEDS,
        methods=METHODS,
        train=TRAIN,
        sets=SETS,
        scaled=scaled,
        pairs=ahead_of_bases(project, ARMS, SEEDS),
        arms=ARMS,
        ahead=ahead,
    )


if __name__ == "__main__":
    typer.run(main)
