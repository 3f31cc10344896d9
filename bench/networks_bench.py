"""Which networks, starts, sizes and targets are worth training further: each trained as a teacher
for as many epochs on the same rows, judged on val rows, with what it cost.

Run: python -m bench.networks_bench --data FOLDER --work FOLDER --page PAGE.md
(an hour of two cores; what has ended in --work is not done again; FER_WEIGHTS names the folder with
the ImageNet weights, see docs/weights.md)

--data holds fer2013.csv(.gz) and fer2013new.csv. Val rows also chose each training's epoch, and
each has one seed: what is learned here is where to look, not what is better.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import typer
from torch import Tensor, nn

from bench.clahe_bench import best_seconds
from bench.fer2013_project import (
    SMALL,
    DataFolder,
    PageFile,
    WorkFolder,
    both_label_sets,
    fer,
    lay_clone,
    val_rows,
    write_page,
)
from fer_cli.results.trainings import Training, curves_picture, trainings
from fer_core.base.files import write_text
from fer_core.models.networks.backbone import build_classifier
from fer_core.report.facts.collect import ReportScope

LITE = "tf_efficientnet_lite0"
SGD: dict[str, Any] = {
    "optimizer": "sgd",
    "schedule": "one_cycle",
    "lr": 0.05,
    "min_lr": 0.0001,
    "weight_decay": 0.0005,
    "lr_warmup_epochs": 3,
    "label_smoothing": 0.1,
}


def _resnet9(width: int, **more: Any) -> dict[str, Any]:
    plain = {"preprocessing": {"size": 48}, "head": {"angular": False}, "train": SGD}
    return {"arch": f"resnet9_w{width}", "a": plain | more}


def _lite0(blocks: int = 0, **more: Any) -> dict[str, Any]:
    return {"arch": f"{LITE}_first{blocks}" if blocks else LITE, "a": more}


NETWORKS: dict[str, dict[str, Any]] = {
    "lite0": _lite0(),
    "lite0_48": _lite0(preprocessing={"size": 48}),
    "lite0_96": _lite0(preprocessing={"size": 96}),
    "first12": _lite0(12),
    "first12_96": _lite0(12, preprocessing={"size": 96}),
    "lite0_labels": _lite0(votes=0.0),
    "lite0_plain": _lite0(head={"angular": False}),
    "lite0_batches": _lite0(train={"balance": "batches"}),
    "r9_w24": _resnet9(24),
    "r9_w32": _resnet9(32),
    "mbv3": {"arch": "mobilenetv3_large_100", "a": {"train": {"lr": 0.002}}},
    "tiny": {"arch": "test_resnet", "a": {"preprocessing": {"size": 48}, "train": {"lr": 0.004}}},
}
"""What differs is named after the underscore: image size, width, FER2013's labels without votes, no
ArcFace, balanced batches. `tf_efficientnet_lite0` and its first blocks start from ImageNet weights,
the others from random ones.
"""
PER_CLASS, EPOCHS = 700, 8
BATCH, ROUNDS = 32, 5
"""Of what is timed: forward and backward of the network alone."""
CHANGES = SMALL | {
    "manifest.sources": ["fer2013", "ferplus"],
    "sets": {
        "publictest": {"sources": ["fer2013"], "usage": ["PublicTest"]},
        "some": {"split": ["train"], "most_per_class": PER_CLASS},
    },
    "pack.train_sets": ["some"],
    "teachers": NETWORKS,
    "teacher.set": "some",
    "teacher.votes": 0.5,
    "teacher.train.epochs": EPOCHS,
    "student.set": "some",
}


def main(
    data: DataFolder,
    work: WorkFolder,
    page: PageFile,
) -> None:
    """Train every network, and write the page with its picture."""
    project = work.resolve() / "project"
    lay_clone(project, CHANGES, both_label_sets(data))
    fer(project, "run", "teacher_a")
    _write_page(page, project)
    typer.echo(f"wrote {page}")


def _write_page(page: Path, project: Path) -> None:
    scope = ReportScope(tuple(NETWORKS), (), (), "", "")
    found = sorted(trainings(scope, project / "data"), key=lambda one: -one.val_macro_f1)
    picture = page.with_name(f"{page.stem}-curves.svg")
    # no more lines than there are colours
    write_text(picture, curves_picture(found[:10], "Macro-F1 on val rows after each epoch"))
    write_page(
        page,
        "networks.md.j2",
        project,
        found=[
            replace(one, name=f"{one.name} (ImageNet)") if one.arch.startswith(LITE) else one
            for one in found
        ],
        networks=NETWORKS,
        speeds=_speeds(found),
        picture=picture.name,
        rows=val_rows(project),
        per_class=PER_CLASS,
        epochs=EPOCHS,
    )


def _speeds(found: Sequence[Training]) -> dict[str, float]:
    """Images a second of one thread in training, all networks in turns, each at its best."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    steps = []
    for one in found:
        assert one.size is not None
        images = torch.rand(BATCH, 3, one.size, one.size)
        steps.append(partial(_step, build_classifier(one.arch, one.size), images))
    seconds = best_seconds(steps, ROUNDS)
    torch.set_num_threads(threads)
    return {one.line: BATCH / best for one, best in zip(found, seconds, strict=True)}


def _step(network: nn.Module, images: Tensor) -> None:
    network(images.contiguous(memory_format=torch.channels_last)).square().mean().backward()


if __name__ == "__main__":
    typer.run(main)
