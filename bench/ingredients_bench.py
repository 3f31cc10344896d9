"""What each ingredient of the protocol is worth: ResNet-18 and the student that it teaches, with
one ingredient taken out at a time, on FER2013 and FERPlus.

Run: python -m bench.ingredients_bench --data FOLDER --work FOLDER --page PAGE.md
(some hours of two cores; what has ended in --work is not done again)

--data holds fer2013.csv(.gz) and fer2013new.csv. Each arm is a clone with the profile
`protocol-cpu`, one teacher and one student, on one shared cache. An arm and the whole protocol are
compared on the same faces; one training of each says nothing of other seeds.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.fer2013_project import after_holm, against, both_label_sets, fer, lay_clone, write_page

SEED = 1337
CHANGES: dict[str, Any] = {
    "cpu_threads": 1,
    "teachers": {"rn18": {"arch": "resnet18", "stage": "b"}},
    "teacher.train.balance": "weights",
    "teacher_b.train.balance": "weights",
    "ensemble.weightings": {},
    "ensemble.kinds": ["global"],
    "student.methods": ["kd"],
    "student.seeds": [SEED],
    "deploy.student": f"kd-{SEED}",
    "deploy.teachers": [],
    "evaluation.compare_set": "fer2013_publictest",
    "evaluation.allow_unequal_budgets": True,
}
WHOLE = "whole"
ARMS: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "without CLAHE": {"preprocessing.clahe": False},
    "without class weights": {"teacher.train.balance": "none", "teacher_b.train.balance": "none"},
    "a plain head for ArcFace": {"teacher.head.angular": False},
    "stage A alone": {"teachers": {"rn18": {"arch": "resnet18"}}},
}
MODELS = {"rn18": "teacher", f"kd-{SEED}": "student"}


def main(
    data: Annotated[Path, typer.Option(help="Folder of FER2013's table and FERPlus' votes.")],
    work: Annotated[Path, typer.Option(help="Folder of the clones.")],
    page: Annotated[Path, typer.Option(help="Where the page of results is written.")],
) -> None:
    """Train every arm, and write the page."""
    work = work.resolve()
    for arm, changes in ARMS.items():
        project = _clone_of(work, arm)
        lay_clone(project, CHANGES | changes, both_label_sets(data), "protocol-cpu", work / "cache")
        fer(project, "run", *(f"calibrate@{model}" for model in MODELS))
    _write_page(page, work)
    typer.echo(f"wrote {page}")


def _clone_of(work: Path, arm: str) -> Path:
    return work / arm.replace(" ", "-")


def _write_page(page: Path, work: Path) -> None:
    whole = _clone_of(work, WHOLE)
    arms = [arm for arm in ARMS if arm != WHOLE]
    pairs = after_holm(
        {
            (model, arm): against(whole, _clone_of(work, arm), model, [SEED])
            for model in MODELS
            for arm in arms
        }
    )
    write_page(
        page, "ingredients.md.j2", models=MODELS, set=CHANGES["evaluation.compare_set"], pairs=pairs
    )


if __name__ == "__main__":
    typer.run(main)
