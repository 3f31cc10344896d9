"""Which of the ensemble's answers teach best: students of each kind of target, on val rows of
FER2013 and FERPlus.

Run: python -m bench.targets_bench --data FOLDER --work FOLDER --page PAGE.md
(half an hour of two cores; what has ended in --work is not done again; FER_WEIGHTS
names the folder with a teacher's ImageNet weights, see docs/weights.md)

--data holds fer2013.csv(.gz) and fer2013new.csv. Each arm is a clone with another section
`targets`, on one shared cache, so that teachers and ensemble are made once. The same initial
weights, rows, steps and seeds. The arms differ in what is a default, so val rows judge; test rows
stay out of it.
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
    both_label_sets,
    fer,
    lay_clone,
    write_page,
)
from fer_core.base.files import read_json

SEEDS, PER_CLASS = [1337, 2025, 42], 400
KD = {"temperature": 2.0, "alpha": 0.9}
BASE = "global"
ARMS: dict[str, dict[str, Any]] = {
    BASE: {},
    "best single teacher": {"weights": "best_single"},
    "all teachers alike": {"weights": "uniform"},
    "weights by class": {"weights": "per_class"},
    "weights by source": {"weights": "per_source"},
    "mean over views": {"average": "views"},
    "half people's votes": {"votes": 0.5},
}
METRICS = ("accuracy", "macro_f1", "nll")
CHANGES = SMALL | {
    "manifest.sources": ["fer2013", "ferplus"],
    "sets": {
        "fer2013_publictest": {"sources": ["fer2013"], "usage": ["PublicTest"]},
        "ferplus_publictest": {"sources": ["ferplus"], "usage": ["PublicTest"]},
        "some": {"split": ["train"], "most_per_class": PER_CLASS},
    },
    "pack.train_sets": ["some"],
    "teachers": {"lite0": {"arch": "tf_efficientnet_lite0"}, "r9": {"arch": "resnet9_w16"}},
    "teacher.set": "some",
    "ensemble.kinds": ["global", "per_class", "per_source"],
    "student": {
        "arch": "test_resnet",
        "set": "some",
        "preprocessing": {"size": SIDE},
        "methods": ["kd"],
        "seeds": SEEDS,
        "train": TRAIN,
        "kd": KD,
    },
    "evaluation.compare_set": "fer2013_publictest",
    "deploy.student": f"kd-{SEEDS[0]}",
}


def main(
    data: DataFolder,
    work: WorkFolder,
    page: PageFile,
) -> None:
    """Train every arm, and write the page."""
    work = work.resolve()
    for arm, targets in ARMS.items():
        project = _clone_of(work, arm)
        lay_clone(
            project, CHANGES | {"targets": targets}, both_label_sets(data), cache=work / "cache"
        )
        fer(project, "run", "student")
    _write_page(page, work)
    typer.echo(f"wrote {page}")


def _clone_of(work: Path, arm: str) -> Path:
    return work / f"targets-{arm.replace(' ', '-').replace(chr(39), '')}"


def _write_page(page: Path, work: Path) -> None:
    students = {arm: _students(_clone_of(work, arm)) for arm in ARMS}
    ahead = {
        arm: [
            {name: one[name] - base[name] for name in METRICS}
            for one, base in zip(students[arm], students[BASE], strict=True)
        ]
        for arm in ARMS
        if arm != BASE
    }
    targets = {
        arm: read_json(_clone_of(work, arm) / "data/softlabels/ensemble_metrics.json")["splits"]
        for arm in ARMS
    }
    write_page(
        page,
        "targets.md.j2",
        _clone_of(work, BASE),
        arms=ARMS,
        base=BASE,
        students=students,
        ahead=ahead,
        targets=targets,
        metrics=METRICS,
        settings={"kd": KD, "train": TRAIN, "seeds": SEEDS, "per_class": PER_CLASS},
    )


def _students(project: Path) -> list[dict[str, float]]:
    """Val metrics of the selected epoch of each training."""
    return [read_json(project / f"data/students/kd-{seed}/record/val.json") for seed in SEEDS]


if __name__ == "__main__":
    typer.run(main)
