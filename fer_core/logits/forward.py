"""A saved model's logits for one half of the pack, as the artifact that fusion, soft labels and
evaluation read.

In a group of processes each runs whole batches of its own and decodes their images only; all get
all logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import N_CLASSES
from fer_core.base.settings import Settings
from fer_core.dataset.pack.folds import train_folds
from fer_core.dataset.pack.pack import Pack
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions
from fer_core.logits.store import LogitsSet, Origin, logits_of_rows
from fer_core.models.devices import distributed
from fer_core.models.devices.device import compile_network, device_memory, prepare_device
from fer_core.models.networks.card import ModelCard, read_card
from fer_core.models.networks.inference import BATCH, logits_of
from fer_core.models.networks.mirrored import load_answering

__all__ = ["Wanted", "forward_rows"]


@dataclass(frozen=True)
class Wanted:
    """Logits to be made.

    Attributes:
        covers: splits whose rows to run.
        precision: "fp32", "bf16" or "fp16".
        dtype: "float16" or "float32", type of the stored logits.
        views: with options, the stored training views of the train rows are run as well.
        threads: of one operation on the CPU; 0 takes the machine's.
        mirror: logits of a face and its mirror image, averaged.
    """

    covers: tuple[str, ...]
    precision: str
    dtype: str
    views: ViewOptions | None = None
    threads: int = 0
    mirror: bool = False


def forward_rows(
    model: Path,
    name: str,
    pack: Pack,
    wanted: Wanted,
    settings: Settings,
    fold_models: Sequence[Path] = (),
) -> LogitsSet:
    """Run a model over every row of some splits.

    Args:
        model: folder of the saved model.
        name: tag or key of the model.
        pack: half of the pack.
        wanted: which logits.
        settings: machine settings.
        fold_models: folders of the saved models of each fold; then the train rows of a fold are run
            through the one that did not learn from them, and only the other rows through `model`.

    Raises:
        ArtifactError, ModelError: a damaged model, one that learnt from the rows of its fold, a
            logit that is not finite, or a device without memory left.
        GroupError: another process of the group has ended.
    """
    device = prepare_device(settings, wanted.threads)
    views, precision = wanted.views, wanted.precision
    rows, train = pack.rows.split(*wanted.covers), pack.rows.split("train")
    card = read_card(model, name)
    jobs = [(model, rows)]
    if fold_models:
        fold_of = train_folds(pack.rows.frame, len(fold_models))
        jobs = [(model, np.setdiff1d(rows, train))]
        for fold, folder in enumerate(fold_models):
            _check_fold(folder, card, fold, len(fold_models))
            jobs.append((folder, np.flatnonzero(fold_of == fold)))
    evaluated = np.empty((len(rows), N_CLASSES), wanted.dtype)
    seen = None if views is None else np.empty((len(train), views.count, N_CLASSES), wanted.dtype)
    for folder, some in jobs:
        network = load_answering(folder, wanted.mirror)[0]
        if settings.compile:
            compile_network(network)
        some_train = np.intersect1d(some, train) if views is not None else train[:0]
        here, here_train = _of_this_process(some), _of_this_process(some_train)
        decoded = np.union1d(here, here_train)
        with device_memory():
            bank = ImageBank(
                pack,
                decoded,
                card.preprocessing,
                views,
                settings.cpu_threads(),
                device,
                settings.memory_gb,
            )
            evaluated[np.searchsorted(rows, some)] = _gathered(
                logits_of(network, bank, here, range(1), precision)[:, 0], some
            )
            if views is not None and seen is not None and len(some_train):
                of_views = logits_of(
                    network, bank, here_train, range(1, views.count + 1), precision
                )
                seen[np.searchsorted(train, some_train)] = _gathered(of_views, some_train)
    origin = Origin(
        name,
        card.weights_sha256,
        card.preprocessing.hash_at_any_size(),
        None if views is None else views.hash(),
        tuple(read_card(folder).weights_sha256 for folder in fold_models),
    )
    return logits_of_rows(pack.rows, wanted.covers, origin, evaluated, seen)


def _check_fold(folder: Path, whole: ModelCard, fold: int, folds: int) -> None:
    """The model of a fold must be the whole one's twin in all but the rows it learnt from, and
    those must leave the fold out.
    """
    card = read_card(folder)
    learnt = card.budget.get("train_set") or {}
    found = {"fold": learnt.get("fold"), "folds": learnt.get("folds")}
    found |= {
        "arch": card.arch,
        "rows": card.rows_sha256,
        "preprocessing": card.preprocessing.hash(),
    }
    expected = {
        "fold": fold,
        "folds": folds,
        "arch": whole.arch,
        "rows": whole.rows_sha256,
        "preprocessing": whole.preprocessing.hash(),
    }
    if found != expected:
        raise ArtifactError(
            "This is not the teacher that left these rows out.",
            where=folder,
            found=found,
            expected=expected,
            remedy="run `fer run` (or `dvc repro`) to make it again",
        )


def _shares(rows: np.ndarray) -> list[slice]:
    """Whole batches, the same ones that a single process would run, so that the logits are the same
    as well.
    """
    return distributed.deal(range(0, len(rows), BATCH), len(rows))


def _of_this_process(rows: np.ndarray) -> np.ndarray:
    return rows[_shares(rows)[distributed.rank()]]


def _gathered(logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return distributed.gather_rows(
        torch.from_numpy(logits), [share.stop - share.start for share in _shares(rows)]
    ).numpy()
