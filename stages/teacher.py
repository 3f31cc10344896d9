"""Stages `teacher_a`, `teacher_b` and `teacher_fold`: train one stage of one teacher with the
ArcFace protocol.

Stage A starts from initial weights; stage B goes on from the selected weights of stage A at another
image size, and its record's `compare.json` measures both stages on the same val rows. With a fold
(only with `teacher.folds`) the teacher learns from the train rows outside it, so that it can give
the logits of that fold's rows. Reads `data/pack/dev` and what the teacher starts from; writes
`{model,record}` in `data/teachers/<tag>/<stage>` or `data/teachers/<tag>/folds/<stage>/<fold>`.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.dataset.pack.folds import OutOfFold
from fer_core.dataset.pack.named_sets import load_train_set
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.training.loop.options import TeacherOptions, stage_options
from fer_core.training.loop.run import open_run
from fer_core.training.teachers.teacher import (
    compare_stages,
    start_stage_a,
    start_stage_b,
    train_teacher,
)
from stages.entry import run_stage


def main(stage: Literal["a", "b"], tag: str, start: Path, fold: int | None = None) -> None:
    """Train stage STAGE of the teacher TAG of section `teachers` from START: initial weights, or
    the saved stage a.
    """
    params = Params.load()
    seed, out = params.section("seed", int), paths.TEACHERS / tag
    options = stage_options(params.values, tag, stage)
    torch.manual_seed(seed)
    if isinstance(options, TeacherOptions):
        arch = params.section(f"teachers.{tag}.arch", str)
        preprocessing = params.section("preprocessing", Preprocessing)
        if options.preprocessing is not None:
            preprocessing = replace(preprocessing, size=options.preprocessing.size)
        begin = start_stage_a(start, arch, preprocessing, options, seed)
    else:
        begin = start_stage_b(start, options.preprocessing.size, options.arcface.scale)
    name, train_set = f"teacher_{stage}/{tag}", load_train_set(params, options.set)
    if fold is None:
        run, out = open_run(params, name, seed, train_set), out / stage
    else:
        others = OutOfFold(train_set, fold, params.section("teacher.folds", int))
        run = open_run(params, f"teacher_fold/{tag}-{stage}-{fold}", seed, others)
        out = out / "folds" / stage / str(fold)
    compare = None
    if stage == "b" and fold is None:
        compare = partial(compare_stages, start, run=run, precision=options.train.precision)
    train_teacher(run, out, begin, options, compare)


if __name__ == "__main__":
    run_stage(main)
