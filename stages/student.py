"""Stage `student`: train one student with one method and seed.

Reads `data/pack/dev`, the weights it starts with and the method's targets; writes
`data/students/<key>/{model,record}`. Where the targets are of faces without labels too, these and
the dev rows are one pack beside them.
"""

from dataclasses import replace
from pathlib import Path

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.dataset.pack.named_sets import load_train_set
from fer_core.dataset.pack.pack import Pack
from fer_core.training.loop.run import open_run
from fer_core.training.students.student import load_method, start_student, train_student
from stages.entry import run_stage


def main(key: str, method: str, seed: int, init: Path, targets: Path) -> None:
    """Train the student KEY with METHOD and SEED from the weights in INIT, against the soft labels
    in TARGETS where it needs them.
    """
    params = Params.load()
    train_set = load_train_set(params, params.section("student.set", str | None, default=None))
    run = open_run(params, f"student/{key}", seed, train_set)
    if targets == paths.UNLABELLED:
        run, targets = replace(run, pack=Pack.open(targets / "pack")), targets / "softlabels"
    how = load_method(params, method, targets)
    start = start_student(params, init, how)
    train_student(run, paths.STUDENTS / key, start, how)


if __name__ == "__main__":
    run_stage(main)
