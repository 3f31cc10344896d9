"""Stage `teacher_a`: train one teacher with the ArcFace protocol (stage A).

Reads `data/pack/dev` and `data/init/<arch>`; writes `data/teachers/<tag>/a/{model,record}`.
"""

from pathlib import Path

import torch

from fer_core.data.pack import Pack
from fer_core.data.preprocessing import Preprocessing
from fer_core.data.views import ViewOptions, teacher_view
from fer_core.learning.options import TrainOptions
from fer_core.learning.run import budget_of, open_training_data, run_training
from fer_core.learning.task import TeacherTask
from fer_core.models.arcface import ArcFaceNetwork
from fer_core.models.card import ModelCard
from fer_core.models.device import prepare_device
from fer_core.models.initial import load_initial, start_trunk
from fer_core.models.options import ArcFaceOptions, TeacherEntry, TeacherHead
from fer_core.params import load_section
from fer_core.settings import load_settings
from stages.entry import run_stage


def main(tag: str, init: Path) -> None:
    """Train the teacher TAG of section `teachers` from the initial weights in INIT."""
    settings = load_settings()
    device = prepare_device(settings)
    seed = load_section("seed", int)
    preprocessing = load_section("preprocessing", Preprocessing)
    views = load_section("views", ViewOptions)
    options = load_section("teacher.train", TrainOptions)
    arcface = load_section("teacher.arcface", ArcFaceOptions)
    head = load_section("teacher.head", TeacherHead)
    arch = load_section(f"teachers.{tag}", TeacherEntry).arch

    initial = load_initial(init, arch)
    torch.manual_seed(seed)
    network = ArcFaceNetwork(arch, preprocessing.size, head.embed_dim, head.dropout, arcface.scale)
    start_trunk(network.trunk, initial)
    pack = Pack.open(Path("data/pack/dev"))
    data = open_training_data(pack, preprocessing, views, settings, device)
    weighted = data.labels[data.train] if options.balance == "weights" else None
    card = ModelCard(
        kind="teacher",
        arch=arch,
        head="arcface",
        embed_dim=head.embed_dim,
        dropout=head.dropout,
        scale=arcface.scale,
        preprocessing=preprocessing,
        rows_sha256=pack.rows.sha256,
        init_sha256=initial.sha256,
        targets_sha256=None,
        selected_epoch=-1,
        budget=budget_of(options, initial.sha256, pack.rows.sha256, views.hash(), len(data.train)),
        params={"seed": seed, "arcface": arcface.model_dump(mode="json"), "views": views.model_dump(mode="json")},
    )
    task = TeacherTask(network, arcface, teacher_view, weighted, device)
    run_training(Path("data/teachers") / tag / "a", "teacher_a", tag, task, card, data, options, seed, settings, device)


if __name__ == "__main__":
    run_stage(main)
