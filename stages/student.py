"""Stage `student`: train one student with one method and seed.

Reads `data/pack/dev`, the initial weights and the method's targets; writes
`data/students/<key>/{model,record}`.
"""

import importlib
from dataclasses import replace
from pathlib import Path

from torch import nn

from fer_core.base.errors import ModelError
from fer_core.base.params import load_section
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.named_sets import load_train_set
from fer_core.dataset.pack.pack import Pack
from fer_core.images.views import ViewOptions, student_view
from fer_core.models.devices.device import prepare_device
from fer_core.models.initial.initial import load_initial, start_classifier
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.saved import load_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.targets.opened import open_targets, open_teacher_targets, open_votes
from fer_core.training.loop.loop import check_feasible
from fer_core.training.loop.options import Resolution, StudentTrainOptions
from fer_core.training.loop.run import budget_of, open_training_data, run_training
from fer_core.training.loop.task import StudentTask
from fer_core.training.students.terms import Auxiliary
from stages.entry import run_stage


def main(key: str, method: str, seed: int, init: Path, targets: Path) -> None:
    """Train the student KEY with METHOD and SEED from the weights in INIT, against the soft labels
    in TARGETS where it needs them.
    """
    settings = load_settings()
    device = prepare_device(settings)
    preprocessing = load_section("preprocessing", Preprocessing)
    if own := load_section("student.preprocessing", Resolution | None, default=None):
        preprocessing = replace(preprocessing, size=own.size)
    views = load_section("views", ViewOptions)
    arch = load_section("student.arch", str)
    loss = importlib.import_module(
        f"fer_core.training.losses.{load_section(f'student.{method}.method', str, default=method)}"
    )
    loss_options = load_section(f"student.{method}", loss.Options)
    options = load_section("student.train", StudentTrainOptions).changed(
        loss_options.lr, loss_options.extra_epochs
    )

    network, init_sha256 = _start(init, arch, preprocessing, loss_options.start)
    check_feasible(
        network, options, mixable=not loss.NEEDS_TARGETS and not loss_options.has_auxiliary
    )
    pack = Pack.open(Path("data/pack/dev"))
    wanted = loss.NEEDS_TARGETS or loss_options.guided
    opened = open_teacher_targets if getattr(loss, "EACH_TEACHER", False) else open_targets
    soft, soft_sha256 = (
        opened(targets, pack.rows, preprocessing, views, device) if wanted else (None, None)
    )
    if getattr(loss, "NEEDS_VOTES", False):
        soft = open_votes(pack.rows, views, device)
    train_set = load_train_set(load_section("student.set", str | None, default=None))
    data = open_training_data(pack, preprocessing, views, settings, device, train_set)
    card = ModelCard(
        kind="student",
        arch=arch,
        head="linear",
        embed_dim=None,
        dropout=None,
        scale=None,
        preprocessing=preprocessing,
        rows_sha256=pack.rows.sha256,
        init_sha256=init_sha256,
        targets_sha256=soft_sha256,
        selected_epoch=-1,
        budget=budget_of(
            options, init_sha256, pack.rows.sha256, views.hash(), len(data.train), train_set
        ),
        params={
            "seed": seed,
            "method": method,
            method: loss_options.model_dump(mode="json", exclude_none=True),
            "views": views.model_dump(mode="json"),
        },
    )
    terms = (
        Auxiliary(loss_options, network, data.labels, data.train, soft, seed)
        if loss_options.has_auxiliary
        else None
    )
    task = StudentTask(
        network, loss, loss_options, soft, lambda epoch: student_view(epoch, views.count), terms
    )
    run_training(
        Path("data/students") / key,
        "student",
        key,
        task,
        card,
        data,
        options,
        seed,
        settings,
        device,
    )


def _start(
    init: Path, arch: str, preprocessing: Preprocessing, method: str | None
) -> tuple[nn.Module, str]:
    """The network with the weights it starts from, and their hash: initial ones, or those of the
    student that this one goes on from.

    Raises:
        ModelError: that student is of another architecture or saw other pictures.
    """
    if method is None:
        initial = load_initial(init, arch)
        return start_classifier(initial, preprocessing.size), initial.sha256
    network, card = load_model(init)
    found, expected = (
        (card.kind, card.arch, card.preprocessing.hash()),
        ("student", arch, preprocessing.hash()),
    )
    if found != expected:
        raise ModelError(
            "This is no student that the method could go on from.",
            where=init,
            found=found,
            expected=expected,
        )
    return network, card.weights_sha256


if __name__ == "__main__":
    run_stage(main)
