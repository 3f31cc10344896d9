"""What each ingredient of the protocol is worth: ResNet-18 and the student that it teaches, with
one ingredient taken out at a time, on FER2013 and FERPlus; the methods as arms of their own, where
the protocol's are a chain; and the grid of T and alpha on val rows.

Run: python -m bench.ingredients_bench --data FOLDER --work FOLDER --page PAGE.md
(some hours of two cores; what has ended in --work is not done again)

--data holds fer2013.csv(.gz) and fer2013new.csv. Each arm is a clone with the profile
`protocol-cpu`, one teacher and one student, on one shared cache. An arm and the whole protocol are
compared on the same faces. The teacher is trained once, so its lines say nothing of other seeds.
"""

import csv
from pathlib import Path
from typing import Any

import typer

from bench.fer2013_project import (
    DataFolder,
    PageFile,
    WorkFolder,
    after_holm,
    after_scaling,
    against,
    ahead_of_bases,
    both_label_sets,
    commit_clone,
    fer,
    lay_clone,
    val_rows,
    write_page,
)
from fer_core.evaluation.metrics.readers import read_reliability_metrics

SEED = 1337
SEEDS = [SEED, 2025, 42]
CHANGES: dict[str, Any] = {
    "cpu_threads": 1,
    "teachers": {"rn18": {"arch": "resnet18", "stage": "b"}},
    "teacher.train.balance": "weights",
    "teacher_b.train.balance": "weights",
    "ensemble.weightings": {},
    "ensemble.kinds": ["global"],
    "student.methods": ["kd"],
    "student.seeds": SEEDS,
    "deploy.student": f"kd-{SEED}",
    "deploy.teachers": [],
    "evaluation.compare_set": "fer2013_publictest",
    "evaluation.allow_unequal_budgets": True,
}
WHOLE = "whole"
METHODS: dict[str, dict[str, Any]] = {
    "ce": {"label_smoothing": 0.0},
    "kd": {"temperature": 2.0, "alpha": 0.5},
    "dkd": {"form": "original", "temperature": 2.0, "alpha": 0.5, "beta": 4.0},
}
"""As in the protocol, but each from the initial weights and with the epochs of `student.train`."""
ARMS: dict[str, dict[str, Any]] = {
    WHOLE: {
        "student.methods": [*METHODS],
        **{f"student.{method}": section for method, section in METHODS.items()},
    },
    "without CLAHE": {"preprocessing.clahe": False},
    "without class weights": {"teacher.train.balance": "none", "teacher_b.train.balance": "none"},
    "a plain head for ArcFace": {"teacher.head.angular": False},
    "stage A alone": {"teachers": {"rn18": {"arch": "resnet18"}}},
}
GRID = "profiles/tuning/protocol-cpu.yaml"
TEACHER, SET = "rn18", CHANGES["evaluation.compare_set"]


def main(
    data: DataFolder,
    work: WorkFolder,
    page: PageFile,
) -> None:
    """Train every arm, and write the page."""
    work = work.resolve()
    for arm, changes in ARMS.items():
        project = _clone_of(work, arm)
        lay_clone(project, CHANGES | changes, both_label_sets(data), "protocol-cpu", work / "cache")
        methods = METHODS if arm == WHOLE else ["kd"]
        models = [TEACHER, *(f"{method}-{seed}" for method in methods for seed in SEEDS)]
        fer(project, "run", *(f"calibrate@{model}" for model in models))
    whole = _clone_of(work, WHOLE)
    trials = page.resolve().with_name(f"{page.stem}-grid.csv")
    commit_clone(whole)
    fer(whole, "tune", "queue", GRID, "--on", "local", "--jobs", "2")
    fer(whole, "tune", "show", GRID, "--out", str(trials))
    _write_page(page, work, read_grid(trials))
    typer.echo(f"wrote {page} and {trials.name}")


def read_grid(trials: Path) -> dict[float, dict[float, dict[str, str]]]:
    """The row of each trial, by temperature and alpha."""
    found: dict[float, dict[float, dict[str, str]]] = {}
    with trials.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            settings = dict(one.split(" ") for one in row["settings"].split(", "))
            temperature, alpha = (float(settings[name]) for name in ("temperature", "alpha"))
            found.setdefault(temperature, {})[alpha] = row
    return found


def _clone_of(work: Path, arm: str) -> Path:
    return work / arm.replace(" ", "-")


def _write_page(page: Path, work: Path, grid: dict[float, dict[float, dict[str, str]]]) -> None:
    whole = _clone_of(work, WHOLE)
    clones = {arm: _clone_of(work, arm) for arm in ARMS if arm != WHOLE}
    write_page(
        page,
        "ingredients.md.j2",
        whole,
        set=SET,
        seeds=SEEDS,
        seed=SEED,
        grid=grid,
        rows=val_rows(whole),
        teacher=read_reliability_metrics(whole / f"data/calibration/{TEACHER}")[SET][
            "temperature_scaled"
        ]["metrics"],
        scaled={method: after_scaling(whole, method, SEEDS, SET) for method in METHODS},
        methods=ahead_of_bases(whole, {"kd": "ce", "dkd": "ce"}, SEEDS),
        teachers=after_holm(
            {arm: against(whole, clone, TEACHER, [SEED]) for arm, clone in clones.items()}
        ),
        students=after_holm(
            {arm: against(whole, clone, "kd-{seed}", SEEDS) for arm, clone in clones.items()}
        ),
    )


if __name__ == "__main__":
    typer.run(main)
