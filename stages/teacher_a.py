"""Stage `teacher_a`: train one teacher with the ArcFace protocol (stage A).

Reads `data/pack/dev` and `data/init/<arch>`; writes `data/teachers/<tag>/a/{model,record}`.
"""

from pathlib import Path

from fer_core.base.params import load_section
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.named_sets import load_train_set
from fer_core.dataset.pack.pack import Pack
from fer_core.images.views import ViewOptions
from fer_core.models.devices.device import prepare_device
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.training.loop.options import TeacherOptions
from fer_core.training.teachers.teacher import start_stage_a, train_teacher
from stages.entry import run_stage


def main(tag: str, init: Path) -> None:
    """Train the teacher TAG of section `teachers` from the initial weights in INIT."""
    settings = load_settings()
    device = prepare_device(settings)
    seed = load_section("seed", int)
    preprocessing = load_section("preprocessing", Preprocessing)
    options = load_section("teacher", TeacherOptions)

    network, init_sha256 = start_stage_a(
        init, load_section(f"teachers.{tag}.arch", str), preprocessing.size, options, seed
    )
    train_teacher(
        Path("data/teachers") / tag / "a",
        "teacher_a",
        tag,
        network,
        init_sha256,
        preprocessing,
        Pack.open(Path("data/pack/dev")),
        load_train_set(options.set),
        load_section("views", ViewOptions),
        options.train,
        options.arcface,
        seed,
        settings,
        device,
    )


if __name__ == "__main__":
    run_stage(main)
