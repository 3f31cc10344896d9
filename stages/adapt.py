"""Stage `adapt`: fine-tune the deployed student on webcam sessions and replayed rows.

Reads `data/pack/dev` and the student's model; writes `data/students/adapted/{model,record}`. Only
with a section `adapt` in params.yaml.
"""

from pathlib import Path

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.training.adaptation.adaptation import SessionRows, adapt
from fer_core.training.adaptation.options import AdaptOptions
from fer_core.training.loop.run import open_run
from fer_core.training.students.student import saved_student
from stages.entry import run_stage


def main(model: Path) -> None:
    """Adapt the student saved in MODEL."""
    params = Params.load()
    options, seed = params.section("adapt", AdaptOptions), params.section("seed", int)
    rows = SessionRows(tuple(options.sources), options.replay, seed)
    run = open_run(params, f"adapt/{paths.ADAPTED}", seed, rows)
    adapt(run, paths.STUDENTS / paths.ADAPTED, saved_student(params, model), options)


if __name__ == "__main__":
    run_stage(main)
