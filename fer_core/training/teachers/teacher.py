"""Training a teacher, whatever stage it is of: stage A from initial weights, stage B from stage A's
at another image size.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fer_core.base.errors import ModelError
from fer_core.images.bank import ImageBank
from fer_core.images.views import teacher_view
from fer_core.models.initial.initial import load_initial, start_trunk
from fer_core.models.initial.resize import load_resized
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.inference import logits_of
from fer_core.models.networks.saved import load_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.training.loop.options import TeacherBOptions, TeacherOptions
from fer_core.training.loop.passes import check_feasible
from fer_core.training.loop.run import (
    Start,
    TrainingRun,
    describe,
    open_training_data,
    run_training,
)
from fer_core.training.loop.scores import val_scores
from fer_core.training.teachers.task import TeacherTask

__all__ = ["compare_stages", "start_stage_a", "start_stage_b", "train_teacher"]


def train_teacher(
    run: TrainingRun,
    out: Path,
    start: Start,
    options: TeacherOptions | TeacherBOptions,
    compare: Callable[[Path], dict[str, Any]] | None = None,
) -> None:
    """Train a teacher from the weights it starts with and write `model/` and `record/`.

    Args:
        run: its name, rows, seed and machine.
        out: folder of both.
        start: of `start_stage_a` or `start_stage_b`.
        options: of that stage.
        compare: as `run_training`'s.

    Raises:
        TrainingError, DataError: as `run_training` and `open_training_data`.
    """
    network, train, arcface = start.network, options.train, options.arcface
    assert isinstance(network, ArcFaceNetwork)
    check_feasible(network, train, mixable=True)
    data = open_training_data(run, start.preprocessing)
    weighted = data.labels[data.train] if train.balance == "weights" else None
    smoothing = train.label_smoothing
    task = TeacherTask(network, arcface, teacher_view, weighted, run.device, smoothing)
    card = describe(run, start, data, train, {"arcface": arcface.model_dump(mode="json")})
    run_training(run, out, task, card, data, train, compare)


def start_stage_a(
    init: Path, arch: str, preprocessing: Preprocessing, options: TeacherOptions, seed: int
) -> Start:
    """A network whose trunk has the initial weights, its heads drawn by the seed.

    Args:
        init: folder of the initial weights.
        arch: their architecture.
        preprocessing: decides the image size.
        options: width of the embedding, dropout and scale.
        seed: of the heads.

    Raises:
        ArtifactError, ModelError: as `load_initial`.
    """
    initial, head = load_initial(init, arch), options.head
    torch.manual_seed(seed)
    network = ArcFaceNetwork(
        arch, preprocessing.size, head.embed_dim, head.dropout, options.arcface.scale
    )
    start_trunk(network.trunk, initial)
    return Start(arch, network, preprocessing, initial.sha256)


def start_stage_b(folder: Path, size: int, scale: float) -> Start:
    """The network of a saved stage A at another image size.

    What of the trunk depends on the size is resampled; embedding and both heads are taken over.

    Args:
        folder: of the saved model.
        size: image side in pixels.
        scale: s of the angular head.

    Raises:
        ArtifactError: the saved model is damaged.
        ModelError: it is no teacher, or its network cannot take images of this size.
    """
    teacher, card = load_model(folder)
    if not isinstance(teacher, ArcFaceNetwork):
        raise ModelError(
            "Stage B starts from a teacher of stage A.",
            where=folder,
            found=f"{card.kind} with a {card.head} head",
        )
    network = ArcFaceNetwork(teacher.arch, size, teacher.embed_dim, teacher.dropout, scale)
    load_resized(teacher.trunk.state_dict(), network.trunk)
    rest = {
        name: tensor
        for name, tensor in teacher.state_dict().items()
        if not name.startswith("trunk.")
    }
    network.load_state_dict(network.state_dict() | rest)
    preprocessing = replace(card.preprocessing, size=size)
    return Start(card.arch, network, preprocessing, card.weights_sha256)


def compare_stages(a: Path, b: Path, run: TrainingRun, precision: str) -> dict[str, Any]:
    """Measure the saved models of both stages on the same rows, all val rows, each at its own
    preprocessing.

    Returns:
        Plain values for JSON: the rows and their hash; of each stage size, weights and val scores;
        differences b − a; and how many rows only one of the two gets right.
    """
    pack, settings = run.pack, run.settings
    rows = pack.rows.split("val")
    truth = pack.rows.labels[rows]
    stages: dict[str, dict[str, Any]] = {}
    right = {}
    for stage, folder in (("a", a), ("b", b)):
        network, card = load_model(folder)
        threads, memory = settings.cpu_threads(), settings.memory_gb
        bank = ImageBank(pack, rows, card.preprocessing, None, threads, run.device, memory)
        logits = logits_of(network.to(run.device), bank, rows, range(1), precision)[:, 0]
        probabilities = torch.from_numpy(logits).double().softmax(1).numpy()
        right[stage] = probabilities.argmax(axis=1) == truth
        stages[stage] = {
            "size": card.preprocessing.size,
            "preprocessing_hash": card.preprocessing.hash(),
            "model_sha256": card.weights_sha256,
            **val_scores(probabilities, truth),
        }
    scores = ("accuracy", "macro_f1", "nll")
    return {
        "split": "val",
        "rows": len(rows),
        "rows_sha256": pack.rows.sha256,
        **stages,
        "difference": {name: stages["b"][name] - stages["a"][name] for name in scores},
        "right_only_in": {
            "a": int(np.sum(right["a"] & ~right["b"])),
            "b": int(np.sum(right["b"] & ~right["a"])),
        },
    }
