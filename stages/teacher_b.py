"""Stage `teacher_b`: train one teacher further at another image size (stage B).

Reads `data/pack/dev` and the selected weights of stage A; writes
`data/teachers/<tag>/b/{model,record}`. The record's `compare.json` measures both stages on the same
val rows.
"""

from dataclasses import replace
from pathlib import Path

import torch

from fer_core.base.params import load_section
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.named_sets import load_train_set
from fer_core.dataset.pack.pack import Pack
from fer_core.images.views import ViewOptions
from fer_core.models.devices.device import prepare_device
from fer_core.training.loop.options import TeacherBOptions
from fer_core.training.teachers.teacher import compare_stages, start_stage_b, train_teacher
from stages.entry import run_stage


def main(tag: str, a: Path) -> None:
    """Train the teacher TAG of section `teachers` from its stage A, saved in A."""
    settings = load_settings()
    device = prepare_device(settings)
    seed = load_section("seed", int)
    options = load_section("teacher_b", TeacherBOptions)

    torch.manual_seed(seed)
    network, card = start_stage_b(a, options.preprocessing.size, options.arcface.scale)
    pack = Pack.open(Path("data/pack/dev"))
    train_teacher(
        Path("data/teachers") / tag / "b",
        "teacher_b",
        tag,
        network,
        card.weights_sha256,
        replace(card.preprocessing, size=options.preprocessing.size),
        pack,
        load_train_set(options.set),
        load_section("views", ViewOptions),
        options.train,
        options.arcface,
        seed,
        settings,
        device,
        compare=lambda b: compare_stages(a, b, pack, options.train.precision, settings, device),
    )


if __name__ == "__main__":
    run_stage(main)
