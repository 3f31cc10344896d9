"""Stage `teacher_fold`: train a teacher on the train rows outside one fold, so that it can give the
logits of that fold's rows.

Only with `teacher.folds`. Reads `data/pack/dev` and what the teacher starts from; writes
`data/teachers/<tag>/folds/<stage>/<fold>/{model,record}`.
"""

from dataclasses import replace
from pathlib import Path

import torch

from fer_core.base.params import load_section
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.folds import OutOfFold
from fer_core.dataset.pack.named_sets import load_train_set
from fer_core.dataset.pack.pack import Pack
from fer_core.images.views import ViewOptions
from fer_core.models.devices.device import prepare_device
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.training.loop.options import TeacherBOptions, TeacherOptions
from fer_core.training.teachers.teacher import start_stage_a, start_stage_b, train_teacher
from stages.entry import run_stage


def main(tag: str, stage: str, fold: int, start: Path) -> None:
    """Train stage STAGE (a or b) of the teacher TAG without the rows of FOLD, from START: initial
    weights, or that fold's stage a.
    """
    settings = load_settings()
    device = prepare_device(settings)
    seed = load_section("seed", int)
    preprocessing = load_section("preprocessing", Preprocessing)
    of_a = load_section("teacher", TeacherOptions)
    options: TeacherOptions | TeacherBOptions = of_a
    if stage == "a":
        network, init_sha256 = start_stage_a(
            start, load_section(f"teachers.{tag}.arch", str), preprocessing.size, of_a, seed
        )
    else:
        options = of_b = load_section("teacher_b", TeacherBOptions)
        torch.manual_seed(seed)
        network, card = start_stage_b(start, of_b.preprocessing.size, of_b.arcface.scale)
        preprocessing, init_sha256 = (
            replace(card.preprocessing, size=of_b.preprocessing.size),
            card.weights_sha256,
        )
    train_teacher(
        Path("data/teachers") / tag / "folds" / stage / str(fold),
        "teacher_fold",
        f"{tag}-{stage}-{fold}",
        network,
        init_sha256,
        preprocessing,
        Pack.open(Path("data/pack/dev")),
        OutOfFold(load_train_set(options.set), fold, of_a.folds),
        load_section("views", ViewOptions),
        options.train,
        options.arcface,
        seed,
        settings,
        device,
    )


if __name__ == "__main__":
    run_stage(main)
