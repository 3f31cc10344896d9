"""Stage `student`: train one student with one method and seed.

Reads `data/pack/dev`, the initial weights and the method's targets; writes `data/students/<key>/{model,record}`.
"""

import importlib
from pathlib import Path

from fer_core.data.named_sets import load_train_set
from fer_core.data.pack import Pack
from fer_core.data.preprocessing import Preprocessing
from fer_core.data.views import ViewOptions, student_view
from fer_core.learning.options import TrainOptions
from fer_core.learning.run import budget_of, open_training_data, run_training
from fer_core.learning.targets import open_targets
from fer_core.learning.task import StudentTask
from fer_core.models.card import ModelCard
from fer_core.models.device import prepare_device
from fer_core.models.initial import load_initial, start_classifier
from fer_core.params import load_section
from fer_core.settings import load_settings
from stages.entry import run_stage


def main(key: str, method: str, seed: int, init: Path, targets: Path) -> None:
    """Train the student KEY with METHOD and SEED from the weights in INIT, against the soft labels in TARGETS where it needs them."""
    settings = load_settings()
    device = prepare_device(settings)
    preprocessing = load_section("preprocessing", Preprocessing)
    views = load_section("views", ViewOptions)
    arch = load_section("student.arch", str)
    loss = importlib.import_module(f"fer_core.learning.losses.{method}")
    loss_options = load_section(f"student.{method}", loss.Options)
    options = load_section("student.train", TrainOptions).at_lr(loss_options.lr)

    initial = load_initial(init, arch)
    pack = Pack.open(Path("data/pack/dev"))
    soft, soft_sha256 = open_targets(targets, pack.rows, preprocessing, views, device) if loss.NEEDS_TARGETS else (None, None)
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
        init_sha256=initial.sha256,
        targets_sha256=soft_sha256,
        selected_epoch=-1,
        budget=budget_of(options, initial.sha256, pack.rows.sha256, views.hash(), len(data.train), train_set),
        params={"seed": seed, "method": method, method: loss_options.model_dump(mode="json"), "views": views.model_dump(mode="json")},
    )
    task = StudentTask(
        start_classifier(initial, preprocessing.size), loss, loss_options, soft, lambda epoch: student_view(epoch, views.count)
    )
    run_training(Path("data/students") / key, "student", key, task, card, data, options, seed, settings, device)


if __name__ == "__main__":
    run_stage(main)
