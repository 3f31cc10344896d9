"""What a student makes of a data set that it has not learned from: FER2013 and pictures of the web
and the press, each left out in turn, three seeds.

Run: python -m bench.elsewhere_bench --data FOLDER --expressions FOLDER --work FOLDER --page PAGE.md
(half an hour of a core; what has ended in --work is not done again)

--data holds fer2013.csv(.gz); --expressions a table of pictures and labels, of which persons are
told by the names of files. All trainings have the same initial weights and as many steps; those of
the smaller data set are few, so it is no race for accuracy. What counts is the difference within a
column: the same test faces, with and without train faces of their kind.
"""

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
    fer,
    lay_clone,
)
from bench.peers.sets import PERSON
from fer_cli.results.trust import render_trust
from fer_core.base.files import read_json, write_text

SEEDS = [1337, 2025, 42]
EPOCHS, PER_CLASS = 60, 1000
CHANGES: dict[str, Any] = SMALL | {
    "manifest.sources": ["fer2013", "expressions"],
    "manifest.test_fraction": {"expressions": 0.4},
    "sets": {"everything": {}, "some": {"split": ["train"], "most_per_class": PER_CLASS}},
    "pack.train_sets": ["some"],
    "validate.min_per_class": {"train": 1, "val": 1, "calib": 1, "test": 1},
    "teachers": {},
    "evaluation.compare_set": "everything",
    "deploy.student": f"ce-{SEEDS[0]}",
    "student": {
        "arch": "test_resnet",
        "set": "some",
        "preprocessing": {"size": SIDE},
        "methods": ["ce"],
        "seeds": SEEDS,
        "train": TRAIN,
        "ce": {"label_smoothing": 0.1},
    },
    "cross_dataset": {
        "left_out": "all",
        "method": "ce",
        "seeds": len(SEEDS),
        "epochs": EPOCHS,
        "rows": 100,
    },
}


def main(
    data: DataFolder,
    expressions: Annotated[Path, typer.Option(help="Folder of pictures and their table.")],
    work: WorkFolder,
    page: PageFile,
) -> None:
    """Train without each data set, and write the page and its picture."""
    project = work.resolve() / "project"

    def add_data(clone: Path) -> None:
        fer(clone, "data", "add", "fer2013", str(data.resolve()))
        place = str(expressions.resolve())
        fer(clone, "data", "add", "expressions", place, "--group-pattern", PERSON)

    lay_clone(project, CHANGES, add_data)
    fer(project, "run", "cross_dataset_matrix")
    found = read_json(project / "metrics/cross_dataset.json")
    for path, text in render_trust(TITLE, _made(), {"cross_dataset": found}, page).items():
        write_text(path, text)
        typer.echo(f"wrote {path}")


TITLE = "Faces from elsewhere: FER2013 and pictures of the web and the press"


def _made() -> str:
    """What was measured, as lines of Markdown."""
    student = CHANGES["student"]
    return "\n".join(
        [
            f"- trainings: {student['arch']} at {SIDE} px by cross-entropy, {EPOCHS} epochs of as "
            f"many steps as the smallest training has, seeds {', '.join(map(str, SEEDS))}; at most "
            f"{PER_CLASS:,} train faces a class of each data set",
            "- written by `python -m bench.elsewhere_bench`",
            "",
        ]
    )


if __name__ == "__main__":
    typer.run(main)
