"""The ensemble's soft labels as numbers: fusing all views, and how good and how sharp the targets
are.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from fer_core.base.errors import ArtifactError
from fer_core.base.logs import progress_off
from fer_core.evaluation.ensemble.ensemble import Ensemble, check_teachers
from fer_core.evaluation.ensemble.memorisation import memorisation
from fer_core.evaluation.metrics.metrics import all_metrics, log_softmax
from fer_core.logits.store import LogitsSet

__all__ = ["fused_targets", "target_metrics", "teacher_targets"]

_TEMPERATURES = (1.0, 1.2, 2.0, 4.0, 6.0)
_PERCENTILES = (1, 50, 99)
_BLOCK = 8192


def fused_targets(dev: Mapping[str, LogitsSet], ensemble: Ensemble) -> np.ndarray:
    """Calibrated fused logits at T = 1 of every train row: view 0 (evaluation), then the stored
    views.

    Args:
        dev: dev logits of each teacher of the ensemble, with views.
        ensemble: chosen on the same rows with the same teachers.

    Returns:
        float16 [N_train, K + 1, 7].

    Raises:
        ArtifactError: other teachers, weights, rows or preprocessing than the ensemble's, or logits
            without views.
    """
    first = _check(dev, ensemble)
    train = first.rows_of("train")
    views = {tag: _views(logits, tag) for tag, logits in dev.items()}
    targets = np.empty(
        (len(train), views[next(iter(dev))].shape[1] + 1, first.eval.shape[1]), dtype=np.float16
    )
    for i in tqdm(
        range(0, len(train), _BLOCK), desc="soft labels", leave=False, disable=progress_off()
    ):
        some = slice(i, i + _BLOCK)
        targets[some] = ensemble.fused(
            {
                tag: np.concatenate([dev[tag].eval[train[some], None], views[tag][some]], axis=1)
                for tag in dev
            }
        )
    return targets


def teacher_targets(dev: Mapping[str, LogitsSet], ensemble: Ensemble) -> dict[str, np.ndarray]:
    """Calibrated logits at T = 1 of each teacher alone, of every train row: view 0 (evaluation),
    then the stored views.

    Args, Raises: as `fused_targets`.

    Returns:
        Tag -> float16 [N_train, K + 1, 7], in the ensemble's order.
    """
    train = _check(dev, ensemble).rows_of("train")
    targets = {}
    for tag in ensemble.teachers:
        logits = np.concatenate([dev[tag].eval[train, None], _views(dev[tag], tag)], axis=1)
        targets[tag] = (logits / np.float32(ensemble.temperatures[tag])).astype(np.float16)
    return targets


def target_metrics(
    dev: Mapping[str, LogitsSet], ensemble: Ensemble, targets: np.ndarray, bins: int
) -> dict[str, Any]:
    """Metrics of the ensemble on train, val and calib rows, and the targets' sharpness.

    Returns:
        Plain values for JSON: splits {train, val, calib: metrics}; sharpness, a list of
        {temperature, max_probability, entropy}, means over rows and stored views of softmax(targets
        / temperature), entropy in nats (7 classes: at most 1.946), with the percentiles p01, p50
        and p99 of both; memorisation, a list, see `memorisation`.
    """
    first = _check(dev, ensemble)
    fused = ensemble.fused({tag: logits.eval for tag, logits in dev.items()})
    splits = {
        name: all_metrics(fused[rows], first.labels[rows], bins)
        for name in first.covers
        if len(rows := first.rows_of(name))
    }
    sharpness = []
    for temperature in _TEMPERATURES:
        top, entropy = np.empty(targets[:, 1:, 0].shape), np.empty(targets[:, 1:, 0].shape)
        for i in range(0, len(targets), _BLOCK):
            log_p = log_softmax(targets[i : i + _BLOCK, 1:], temperature)
            top[i : i + _BLOCK] = np.exp(log_p.max(axis=-1))
            entropy[i : i + _BLOCK] = -(np.exp(log_p) * log_p).sum(axis=-1)
        point = {"temperature": temperature}
        for name, values in (("max_probability", top), ("entropy", entropy)):
            point[name] = round(float(values.mean()), 6)
            for percent, value in zip(
                _PERCENTILES, np.percentile(values, _PERCENTILES), strict=True
            ):
                point[f"{name}_p{percent:02d}"] = round(float(value), 6)
        sharpness.append(point)
    return {
        "splits": splits,
        "sharpness": sharpness,
        "memorisation": memorisation(dev, ensemble, targets),
    }


def _check(dev: Mapping[str, LogitsSet], ensemble: Ensemble) -> LogitsSet:
    first = check_teachers(dev)
    found = (
        {tag: logits.model_sha256 for tag, logits in dev.items()},
        first.rows_sha256,
        first.preprocessing_hash,
    )
    expected = (ensemble.model_sha256, ensemble.rows_sha256, ensemble.preprocessing_hash)
    if found != expected:
        raise ArtifactError(
            "The ensemble was chosen with other teachers, rows or preprocessing.",
            found=found,
            expected=expected,
            remedy="run `dvc repro ensemble`",
        )
    return first


def _views(logits: LogitsSet, tag: str) -> np.ndarray:
    if logits.views is None:
        raise ArtifactError(
            "Soft labels need logits of the stored views.",
            where=tag,
            remedy="run `dvc repro` for this teacher's dev logits",
        )
    return logits.views
