"""Training a teacher: stage A from initial weights, stage B from stage A's weights at another image
size.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fer_core.base.errors import ModelError
from fer_core.base.labels import N_CLASSES
from fer_core.dataset.pack.votes import vote_shares
from fer_core.images.bank import ImageBank
from fer_core.images.memory import on_device
from fer_core.images.views import teacher_view
from fer_core.models.initial.initial import load_initial, start_trunk
from fer_core.models.initial.options import ArcFaceOptions
from fer_core.models.networks.arcface import ArcFaceNetwork, arcface_logits
from fer_core.models.networks.backbone import load_resized
from fer_core.models.networks.inference import logits_of
from fer_core.models.networks.saved import load_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.training.loop.options import StageOptions, TeacherOptions
from fer_core.training.loop.passes import Batch, check_feasible
from fer_core.training.loop.run import (
    Start,
    TrainingRun,
    describe,
    open_training_data,
    run_training,
)
from fer_core.training.loop.scores import val_scores
from fer_core.training.loop.task import Task

__all__ = [
    "TeacherTask",
    "compare_stages",
    "effective_number_weights",
    "start_stage_a",
    "start_stage_b",
    "train_teacher",
]


class TeacherTask(Task):
    """ArcFace training: cross-entropy on a plain head during the warm-up, then on the angular head
    with a growing margin; or on the plain head all along, where the network has no other.

    Args:
        network: to be trained.
        options: margin, scale and their schedule.
        view_of: view of an epoch.
        train_labels: class of every training row, for effective-number class weights; None leaves
            the classes unweighted.
        device: of the network.
        label_smoothing: share of the label's mass given to all classes alike.
        votes: part of each row's target that is people's votes, float32 [number of rows of the
            pack's half, 7]; the rest, to 1, is the label's. None for labels alone.
    """

    network: ArcFaceNetwork

    def __init__(
        self,
        network: ArcFaceNetwork,
        options: ArcFaceOptions,
        view_of: Callable[[int], int],
        train_labels: np.ndarray | None,
        device: torch.device,
        label_smoothing: float = 0.0,
        votes: Tensor | None = None,
    ) -> None:
        super().__init__(network, view_of)
        self._options, self._votes = options, votes
        self._smoothing = label_smoothing
        self._weights = (
            None
            if train_labels is None
            else torch.from_numpy(effective_number_weights(train_labels)).to(device)
        )

    def phase(self, epoch: int) -> str:
        """ "plain" during the warm-up or where there is no angular head, else "arcface"."""
        warming_up = epoch < self._options.warmup_epochs
        return "plain" if warming_up or not self.network.angular else "arcface"

    def selectable(self, epoch: int) -> bool:
        """Only after the warm-up: before it the angular head is untrained."""
        return self.phase(epoch) == "arcface" or not self.network.angular

    def schedule(self, epoch: int) -> dict[str, float]:
        """The margin."""
        return {"margin": self._options.margin_at(epoch)} if self.network.angular else {}

    def outputs(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the plain head during the warm-up, cosines of the angular one after it."""
        embeddings = self.network.embed(images)
        if self.phase(epoch) == "plain":
            return self.network.plain(embeddings).float()
        return self.network.cosine(embeddings)

    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the phase's head; the logits returned carry no margin, and nor do those
        that votes are compared with: a margin asks for more than the label's share.
        """
        margin, scale = self._options.margin_at(batch.epoch), self._options.scale
        plain = self.phase(batch.epoch) == "plain"
        logits = outputs if plain else scale * outputs

        def loss_of(truth: Tensor, rows: np.ndarray) -> Tensor:
            scores = logits if plain else arcface_logits(outputs, truth, margin, scale)
            if self._votes is None:
                return functional.cross_entropy(
                    scores, truth, weight=self._weights, label_smoothing=self._smoothing
                )
            votes = self._votes[on_device(rows, self._votes.device)]
            of_label = functional.cross_entropy(
                scores,
                truth,
                weight=self._weights,
                label_smoothing=self._smoothing,
                reduction="none",
            )
            of_votes = functional.cross_entropy(logits, votes, reduction="none")
            if self._weights is not None:
                of_votes = of_votes * self._weights[truth]
            return ((1 - votes.sum(dim=1)) * of_label + of_votes).sum() / self.mass(truth)

        return batch.mean_loss(loss_of, self.mass), logits

    def mass(self, labels: Tensor) -> float | Tensor:
        """Number of rows, or the sum of their class weights."""
        return super().mass(labels) if self._weights is None else self._weights[labels].sum()

    def predict(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the phase's head."""
        if self.phase(epoch) == "plain":
            return self.network.plain(self.network.embed(images))
        return self.network(images)


def effective_number_weights(labels: np.ndarray, beta: float = 0.9999) -> np.ndarray:
    """Class weights (1 - beta) / (1 - beta^n), scaled to sum to the number of classes (Cui et al.,
    CVPR 2019); 0 for an absent class.

    Args:
        labels: class indices [n].

    Returns:
        float32 [7].
    """
    counts = np.bincount(labels, minlength=N_CLASSES)
    weights = np.where(counts > 0, (1 - beta) / (1 - beta ** np.maximum(counts, 1)), 0)
    return (weights * N_CLASSES / weights.sum()).astype(np.float32)


def train_teacher(
    run: TrainingRun,
    out: Path,
    start: Start,
    options: StageOptions,
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
    data = open_training_data(run, start.preprocessing, train)
    weighted = data.labels[data.train] if train.balance == "weights" else None
    smoothing = train.label_smoothing
    own: dict[str, Any] = {}
    if network.angular:
        own["arcface"] = arcface.model_dump(mode="json")
    votes = None
    if options.votes:
        own["votes"] = options.votes
        votes = torch.from_numpy(options.votes * vote_shares(run.pack.rows)).to(run.device)
    task = TeacherTask(network, arcface, teacher_view, weighted, run.device, smoothing, votes)
    card = describe(run, start, data, train, own)
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
    scale = options.arcface.scale if head.angular else None
    network = ArcFaceNetwork(arch, preprocessing.size, head.embed_dim, head.dropout, scale)
    start_trunk(network.trunk, initial)
    return Start(arch, network, preprocessing, initial.sha256)


def start_stage_b(folder: Path, size: int, scale: float) -> Start:
    """The network of a saved stage A at another image size.

    What of the trunk depends on the size is resampled; embedding and heads are taken over.

    Args:
        folder: of the saved model.
        size: image side in pixels.
        scale: s of the angular head, if there is one.

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
    new_scale = scale if teacher.angular else None
    network = ArcFaceNetwork(teacher.arch, size, teacher.embed_dim, teacher.dropout, new_scale)
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
