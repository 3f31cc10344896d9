"""Training a teacher, whatever stage it is of: stage A from initial weights, stage B from stage A's
at another image size.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fer_core.base.errors import ModelError
from fer_core.base.settings import Settings
from fer_core.dataset.pack.folds import OutOfFold
from fer_core.dataset.pack.named_sets import TrainSet
from fer_core.dataset.pack.pack import Pack
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions, teacher_view
from fer_core.models.initial.initial import load_initial, start_trunk
from fer_core.models.initial.options import ArcFaceOptions
from fer_core.models.initial.resize import load_resized
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.inference import logits_of
from fer_core.models.networks.saved import load_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.training.loop.loop import check_feasible
from fer_core.training.loop.options import TeacherOptions, TeacherTrainOptions
from fer_core.training.loop.run import budget_of, open_training_data, run_training
from fer_core.training.loop.scores import val_scores
from fer_core.training.loop.task import TeacherTask

__all__ = ["compare_stages", "start_stage_a", "start_stage_b", "train_teacher"]


def train_teacher(
    out: Path,
    stage: str,
    tag: str,
    network: ArcFaceNetwork,
    init_sha256: str,
    preprocessing: Preprocessing,
    pack: Pack,
    train_set: TrainSet | OutOfFold | None,
    views: ViewOptions,
    options: TeacherTrainOptions,
    arcface: ArcFaceOptions,
    seed: int,
    settings: Settings,
    device: torch.device,
    compare: Callable[[Path], dict[str, Any]] | None = None,
) -> None:
    """Train a teacher from its network's present weights and write `model/` and `record/`.

    Args:
        out: folder of both.
        stage: of the pipeline, such as "teacher_a".
        tag: the teacher's, or of one of its folds.
        network: with the weights to start from.
        init_sha256: hash of those weights' file.
        preprocessing: at the network's image size.
        pack: the dev half.
        train_set: the rows to learn from; None for all train rows.
        views: strength of the augmentation.
        options: of the training.
        arcface: margin, scale and their schedule.
        seed: of order, dropout and mixup.
        settings, device: to train with and on.
        compare: as `run_training`'s.

    Raises:
        TrainingError, DataError: as `run_training` and `open_training_data`.
    """
    check_feasible(network, options, TeacherTask.mixable)
    data = open_training_data(pack, preprocessing, views, settings, device, train_set)
    weighted = data.labels[data.train] if options.balance == "weights" else None
    card = ModelCard(
        kind="teacher",
        arch=network.arch,
        head="arcface",
        embed_dim=network.embed_dim,
        dropout=network.dropout,
        scale=network.scale,
        preprocessing=preprocessing,
        rows_sha256=pack.rows.sha256,
        init_sha256=init_sha256,
        targets_sha256=None,
        selected_epoch=-1,
        budget=budget_of(
            options, init_sha256, pack.rows.sha256, views.hash(), len(data.train), train_set
        ),
        params={
            "seed": seed,
            "arcface": arcface.model_dump(mode="json"),
            "views": views.model_dump(mode="json"),
        },
    )
    task = TeacherTask(network, arcface, teacher_view, weighted, device, options.label_smoothing)
    run_training(out, stage, tag, task, card, data, options, seed, settings, device, compare)


def start_stage_a(
    init: Path, arch: str, size: int, options: TeacherOptions, seed: int
) -> tuple[ArcFaceNetwork, str]:
    """A network whose trunk has the initial weights, its heads drawn by the seed; and the hash of
    these weights.

    Args:
        init: folder of the initial weights.
        arch: their architecture.
        size: image side in pixels.
        options: width of the embedding, dropout and scale.
        seed: of the heads.

    Raises:
        ArtifactError, ModelError: as `load_initial`.
    """
    initial = load_initial(init, arch)
    torch.manual_seed(seed)
    network = ArcFaceNetwork(
        arch, size, options.head.embed_dim, options.head.dropout, options.arcface.scale
    )
    start_trunk(network.trunk, initial)
    return network, initial.sha256


def start_stage_b(folder: Path, size: int, scale: float) -> tuple[ArcFaceNetwork, ModelCard]:
    """The network of a saved stage A at another image size, and stage A's card.

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
    return network, card


def compare_stages(
    a: Path, b: Path, pack: Pack, precision: str, settings: Settings, device: torch.device
) -> dict[str, Any]:
    """Measure the saved models of both stages on the same rows, all val rows, each at its own
    preprocessing.

    Returns:
        Plain values for JSON: the rows and their hash; of each stage size, weights and val scores;
        differences b − a; and how many rows only one of the two gets right.
    """
    rows = pack.rows.split("val")
    truth = pack.rows.labels[rows]
    stages: dict[str, dict[str, Any]] = {}
    right = {}
    for stage, folder in (("a", a), ("b", b)):
        network, card = load_model(folder)
        bank = ImageBank(
            pack, rows, card.preprocessing, None, settings.cpu_threads(), device, settings.memory_gb
        )
        logits = logits_of(network.to(device), bank, rows, range(1), precision)[:, 0]
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
