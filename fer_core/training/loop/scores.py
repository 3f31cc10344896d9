"""Scores of the val rows after an epoch, without a library that takes a second to import in every
training run.
"""

import numpy as np
import torch

from fer_core.base.absent import present_classes
from fer_core.base.errors import TrainingError
from fer_core.base.labels import N_CLASSES
from fer_core.models.devices import distributed
from fer_core.models.networks.inference import autocast
from fer_core.training.loop.batches import TrainingData
from fer_core.training.loop.task import Task

__all__ = ["EVALUATED_AT_ONCE", "val_scores", "validate"]

EVALUATED_AT_ONCE = 256


def validate(
    task: Task, data: TrainingData, epoch: int, precision: str, device: torch.device
) -> dict[str, float]:
    """Accuracy, macro-F1 and NLL (nats) of the val rows' evaluation view.

    Raises:
        TrainingError: an output is not finite.
    """
    task.network.eval()
    shares = distributed.deal(range(0, len(data.val), EVALUATED_AT_ONCE), len(data.val))
    rows = data.val[shares[distributed.rank()]]
    batches = [
        rows[start : start + EVALUATED_AT_ONCE] for start in range(0, len(rows), EVALUATED_AT_ONCE)
    ]
    parts = [torch.empty(0, N_CLASSES, dtype=torch.float64, device=device)]
    with torch.inference_mode(), autocast(device, precision):
        data.bank.expect(batches)
        for batch in batches:
            logits = task.predict(data.bank.view(batch, 0), epoch)
            parts.append(logits.double().softmax(1))
        found = distributed.gather_rows(
            torch.cat(parts).cpu(), [share.stop - share.start for share in shares]
        )
    probabilities = found.numpy()
    if not np.isfinite(probabilities).all():
        raise TrainingError(
            "The network's output is not finite.",
            where=f"val rows after epoch {epoch}",
            remedy="lower the learning rate",
        )
    return val_scores(probabilities, data.labels[data.val])


def val_scores(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Accuracy, macro-F1 and mean negative log-likelihood, as scikit-learn defines them (a class
    that neither occurs nor is predicted has F1 0).

    Args:
        probabilities: float [N, C], rows sum to 1.
        truth: int [N], 0 to C - 1.
    """
    classes = probabilities.shape[1]
    kept = present_classes() if classes == N_CLASSES else slice(None)
    predicted = probabilities.argmax(axis=1)
    right = np.bincount(truth[predicted == truth], minlength=classes)
    either = np.bincount(truth, minlength=classes) + np.bincount(predicted, minlength=classes)
    of_truth = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return {
        "accuracy": float(right.sum() / len(truth)),
        "macro_f1": float(np.mean((2 * right / np.maximum(either, 1))[kept])),
        "nll": float(-np.log(np.maximum(of_truth, np.finfo(np.float64).eps)).mean()),
    }
