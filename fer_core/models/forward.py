"""A saved model's logits for one half of the pack, as the artifact that fusion, soft labels and evaluation read.

In a group of processes each runs whole batches of its own and decodes their images only; all get all logits.
"""

from pathlib import Path

import numpy as np
import torch

from fer_core.data.bank import ImageBank
from fer_core.data.logits import LogitsSet, logits_of_rows
from fer_core.data.pack import Pack
from fer_core.data.views import ViewOptions
from fer_core.models import distributed
from fer_core.models.device import prepare_device
from fer_core.models.inference import BATCH, logits_of
from fer_core.models.saved import load_model
from fer_core.settings import Settings

__all__ = ["forward_rows"]


def forward_rows(
    model: Path, name: str, pack: Pack, covers: tuple[str, ...], views: ViewOptions | None, precision: str, dtype: str, settings: Settings
) -> LogitsSet:
    """Run a model over every row of some splits.

    Args:
        model: folder of the saved model.
        name: tag or key of the model.
        pack: half of the pack.
        covers: splits whose rows to run.
        views: with options, the stored training views of the train rows are run as well.
        precision: "fp32", "bf16" or "fp16".
        dtype: "float16" or "float32", type of the stored logits.
        settings: machine settings.

    Raises:
        ArtifactError, ModelError: a damaged model or a logit that is not finite.
        GroupError: another process of the group has ended.
    """
    device = prepare_device(settings)
    network, card = load_model(model)
    network.to(device)
    rows, train = pack.rows.split(*covers), pack.rows.split("train")
    here, here_train = _of_this_process(rows), _of_this_process(train) if views is not None else train[:0]
    bank = ImageBank(pack, np.union1d(here, here_train), card.preprocessing, views, settings.cpu_threads(), device, settings.memory_gb)
    evaluated = _gathered(logits_of(network, bank, here, range(1), precision)[:, 0], rows)
    seen = None
    if views is not None:
        seen = _gathered(logits_of(network, bank, here_train, range(1, views.count + 1), precision), train).astype(np.dtype(dtype))
    return logits_of_rows(
        pack.rows,
        covers,
        evaluated.astype(np.dtype(dtype)),
        seen,
        model=name,
        model_sha256=card.weights_sha256,
        preprocessing_hash=card.preprocessing.hash_at_any_size(),
        views_hash=None if views is None else views.hash(),
    )


def _shares(rows: np.ndarray) -> list[slice]:
    """Whole batches, the same ones that a single process would run, so that the logits are the same as well."""
    return distributed.deal(range(0, len(rows), BATCH), len(rows))


def _of_this_process(rows: np.ndarray) -> np.ndarray:
    return rows[_shares(rows)[distributed.rank()]]


def _gathered(logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return distributed.gather_rows(torch.from_numpy(logits), [share.stop - share.start for share in _shares(rows)]).numpy()
