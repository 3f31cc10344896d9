"""What a small network gains from a released one as its teacher, where few faces are labelled, on
FER2013 and FERPlus: five seeds, tuned settings, against learning from labels, from annotators'
votes, and from labels without ImageNet weights.

Run: python -m bench.distillation_bench --data FOLDER --work FOLDER --page PAGE.md
(an hour of two cores; what has ended in --work is not done again; FER_WEIGHTS names the folder
with the ImageNet weights, see docs/weights.md)

--data holds fer2013.csv(.gz) and fer2013new.csv. The teacher is the release `models/fer2013`, which
learned from train rows of the profile `fer2013`, so no test row has taught anybody. Every
method has as many trials on val rows with one seed; the best settings are trained with all seeds.
Without ImageNet weights labels alone are tried, at the best settings that they have with them.
"""

from pathlib import Path
from typing import Any

import typer
import yaml

from bench.fer2013_project import (
    ROOT,
    SMALL,
    DataFolder,
    PageFile,
    WorkFolder,
    after_holm,
    against,
    both_label_sets,
    commit_clone,
    fer,
    lay_clone,
    rendered,
)
from fer_core.base.files import write_text
from fer_core.base.labels import CLASSES
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.predict.predictor import Predictor

SEEDS = [1337, 1338, 1339, 1340, 1341]
EPOCHS, PER_CLASS, SIZE = 12, 400, 48
SETS = ["fer2013_publictest", "ferplus_publictest"]
RATES = [0.0005, 0.001, 0.002]
TRIALS: dict[str, list[dict[str, Any]]] = {
    "ce": [{"lr": RATES, "label_smoothing": [0.1]}],
    "votes": [{"lr": RATES, "share": [0.5]}],
    "kd": [
        {"lr": RATES[1:], "temperature": [1.0], "alpha": [0.9]},
        {"lr": RATES[1:2], "temperature": [2.0], "alpha": [0.9]},
    ],
    "dkd": [
        {"lr": RATES[1:], "temperature": [1.0], "alpha": [1.0], "beta": [2.0]},
        {"lr": RATES[1:2], "temperature": [2.0], "alpha": [1.0], "beta": [2.0]},
    ],
}
ARCH = "tf_efficientnet_lite0_first12"
TEACHER = "models/fer2013/student.fp32.onnx"


def released_teacher() -> dict[str, Any]:
    """The released network as an entry of the section `teachers`."""
    metadata = Predictor(ROOT / TEACHER, threads=1).metadata
    return {
        "onnx": TEACHER,
        "preprocessing": {
            "side": metadata.preprocessing.size,
            "scale": 1,
            "layout": "nhwc",
            "output": "logits",
        },
        "classes": list(CLASSES),
        "answers": "logits",
        "trained_on": ["FER2013 Training rows without a twin in PublicTest", "FERPlus votes"],
        "overlap": {"fer2013": "part", "ferplus": "part"} | dict.fromkeys(SETS, "none"),
    }


CHANGES = SMALL | {
    "manifest.sources": ["fer2013", "ferplus"],
    "sets": {
        "fer2013_publictest": {"sources": ["fer2013"], "usage": ["PublicTest"]},
        "ferplus_publictest": {"sources": ["ferplus"], "usage": ["PublicTest"]},
        "some": {"split": ["train"], "most_per_class": PER_CLASS},
    },
    "pack.train_sets": ["some"],
    "teachers": {"released": released_teacher()},
    "evaluation.compare_set": SETS,
    "deploy.student": f"kd-{SEEDS[0]}",
    "student": {
        "arch": ARCH,
        "set": "some",
        "preprocessing": {"size": SIZE},
        "methods": list(TRIALS),
        "seeds": SEEDS,
        "train": {
            "epochs": EPOCHS,
            "batch": 64,
            "lr": 0.001,
            "min_lr": 0.00001,
            "weight_decay": 0.05,
            "lr_warmup_epochs": 1,
            "balance": "batches",
            "grad_clip": 0.0,
            "precision": "fp32",
            "ema": 0.998,
        },
        **{
            method: {name: values[0] for name, values in grids[0].items() if name != "lr"}
            for method, grids in TRIALS.items()
        },
    },
}
TUNING = "profiles/tuning/released-teacher.yaml"
TITLE = "Distillation from a released network on FER2013"


def main(
    data: DataFolder,
    work: WorkFolder,
    page: PageFile,
) -> None:
    """Tune, train every seed, and write the page and the table of trials."""
    page = page.resolve()
    trials = page.with_name(f"{page.stem}-trials.csv")
    project = work.resolve() / "project"
    _lay(project, data)
    fer(project, "tune", "queue", TUNING, "--on", "local", "--jobs", "2")
    fer(project, "tune", "show", TUNING, "--out", str(trials))
    fer(project, "tune", "apply", TUNING)
    fer(project, "dag", "sync")
    fer(project, "run")
    fer(project, "results", "--title", TITLE, "--distillation", str(page), "--trials", str(trials))
    scratch = _from_random_weights(project, data)
    write_text(page, page.read_text(encoding="utf-8") + _compared(scratch, project))
    typer.echo(f"wrote {page}")


def _from_random_weights(project: Path, data: Path) -> Path:
    """A clone whose students start from random weights and learn from labels, as tuned; trained."""
    clone = project.with_name("from_random_weights")
    student = read_params(project / PARAMS_FILE)["student"]
    changes = {
        "init.archs": {},
        "student": student | {"methods": ["ce"]},
        "teachers": {},
        "deploy.student": f"ce-{SEEDS[0]}",
    }
    cache = project / ".dvc/cache"  # data and packs are there already
    lay_clone(clone, CHANGES | changes, both_label_sets(data), cache=cache)
    fer(clone, "run", "calibrate")
    return clone


def _compared(scratch: Path, project: Path) -> str:
    """The page's part on initial weights."""
    pairs = {
        (name, method): against(
            scratch, project, f"{method}-{{seed}}", SEEDS, "ce-{seed}", name, ["init_sha256"]
        )
        for name in SETS
        for method in TRIALS
    }
    adjusted = after_holm(pairs)
    of_set = {name: {method: adjusted[name, method] for method in TRIALS} for name in SETS}
    return rendered("distillation.md.j2", of_set=of_set, arch=ARCH)


def _lay(project: Path, data: Path) -> None:
    """Lay the clone as far as the soft labels, as a commit: trials are experiments on top of it."""

    def add_data(clone: Path) -> None:
        both_label_sets(data)(clone)
        tuning = {"seed": SEEDS[0], "by": "macro_f1", "trials": TRIALS}
        write_text(clone / TUNING, yaml.safe_dump(tuning, sort_keys=False))

    lay_clone(project, CHANGES, add_data)
    fer(project, "run", "softlabels")  # what all trials share is made once
    commit_clone(project)


if __name__ == "__main__":
    typer.run(main)
