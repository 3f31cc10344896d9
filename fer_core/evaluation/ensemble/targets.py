"""The ensemble's soft labels as numbers: fusing all views, how good and how sharp the targets are,
and how much better the teachers know their own train rows than rows they never saw.

A teacher that has learnt its train rows by heart gives soft labels there that say little more than
the labels; the distance between train and calib shows it. Everything is measured at the
temperatures fitted on calib rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from fer_core.base.errors import ArtifactError
from fer_core.base.logs import progress_off
from fer_core.evaluation.ensemble.ensemble import Ensemble, check_teachers
from fer_core.evaluation.ensemble.teaching import PLAIN, Teaching
from fer_core.evaluation.metrics.metrics import all_metrics, log_softmax
from fer_core.logits.store import LogitsSet

__all__ = ["fused_targets", "memorisation", "memorised", "target_metrics", "teacher_targets"]

_TEMPERATURES = (1.0, 1.2, 2.0, 4.0, 6.0)
_PERCENTILES = (1, 50, 99)
_BLOCK = 8192
_MEMORISED = 0.5
_TOLD = (
    "accuracy",
    "macro_f1",
    "minority_f1",
    "nll",
    "brier",
    "ece",
    "ece_equal_mass",
    "classwise_ece",
    "per_class_f1",
    "confusion",
)
"""What the soft labels' folder tells of the ensemble: a fixed list, because a further metric in it
would change the folder, and train every student again.
"""


def fused_targets(
    dev: Mapping[str, LogitsSet], ensemble: Ensemble, how: Teaching = PLAIN
) -> np.ndarray:
    """Calibrated fused logits at T = 1 of every train row: view 0 (evaluation), then the stored
    views.

    Args:
        dev: dev logits of each teacher of the ensemble, with views.
        ensemble: chosen on the same rows with the same teachers.
        how: which weights, and what else becomes part of the targets.

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
        logits = {
            tag: np.concatenate([dev[tag].eval[train[some], None], views[tag][some]], axis=1)
            for tag in dev
        }
        targets[some] = how.finished(how.fused(ensemble, logits, train[some]), train[some])
    return targets


def teacher_targets(
    dev: Mapping[str, LogitsSet], ensemble: Ensemble, how: Teaching = PLAIN
) -> dict[str, np.ndarray]:
    """Calibrated logits at T = 1 of each teacher that takes part, alone, of every train row: view 0
    (evaluation), then the stored views.

    Args, Raises: as `fused_targets`.

    Returns:
        Tag -> float16 [N_train, K + 1, 7], in the ensemble's order.
    """
    train = _check(dev, ensemble).rows_of("train")
    targets = {}
    for tag in how.teachers(ensemble):
        logits = np.concatenate([dev[tag].eval[train, None], _views(dev[tag], tag)], axis=1)
        targets[tag] = (logits / np.float32(ensemble.temperatures[tag])).astype(np.float16)
    return targets


def target_metrics(
    dev: Mapping[str, LogitsSet],
    ensemble: Ensemble,
    targets: np.ndarray,
    bins: int,
    how: Teaching = PLAIN,
) -> dict[str, Any]:
    """Metrics of the ensemble on train, val and calib rows, and the targets' sharpness; those of
    train rows are of the targets, where these are more than the ensemble's logits.

    Returns:
        Plain values for JSON: splits {train, val, calib: metrics}; sharpness, a list of
        {temperature, max_probability, entropy}, means over rows and stored views of softmax(targets
        / temperature), entropy in nats (7 classes: at most 1.946), with the percentiles p01, p50
        and p99 of both; memorisation, a list, see `memorisation`.
    """
    first = _check(dev, ensemble)
    evaluated = {tag: logits.eval for tag, logits in dev.items()}
    fused = how.fused(ensemble, evaluated, np.arange(len(first.labels)))
    if how.changes:
        fused[first.rows_of("train")] = targets[:, 0]
    splits = {}
    for name in first.covers:
        if len(rows := first.rows_of(name)):
            measured = all_metrics(fused[rows], first.labels[rows], bins)
            splits[name] = {what: measured[what] for what in _TOLD}
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
        "memorisation": memorisation(dev, ensemble, targets, how),
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


def memorisation(
    dev: Mapping[str, LogitsSet],
    ensemble: Ensemble,
    targets: np.ndarray,
    how: Teaching = PLAIN,
) -> list[dict[str, Any]]:
    """NLL and accuracy of each teacher and of the ensemble on train rows, on the stored views of
    them, and on calib rows.

    Args:
        dev: dev logits of each teacher of the ensemble, with views.
        ensemble: chosen on their calib rows.
        targets: [N_train, K + 1, 7], its soft labels at T = 1; column 0 is the evaluation view.
        how: they were made.

    Returns:
        One record a teacher, then the ensemble's: model, folds (how many teachers the train rows
        were shared out among so that none saw its own; 0 where the teacher itself ran them), and
        for each of train, train_views and calib {faces, nll, accuracy} (nll in nats, means over
        faces and views), and train_to_calib, the NLL of the train views divided by that of calib.

    Raises:
        ArtifactError: no calib rows, or logits without views.
    """
    first = next(iter(dev.values()))
    train, calib = first.rows_of("train"), first.rows_of("calib")
    if not len(train) or not len(calib):
        raise ArtifactError(
            "The distance between train and calib needs rows of both.",
            found=f"{len(train)} train and {len(calib)} calib",
        )
    y_train, y_calib = first.labels[train], first.labels[calib]
    table = []
    for tag in ensemble.teachers:
        logits, temperature = dev[tag], ensemble.temperatures[tag]
        if logits.views is None:
            raise ArtifactError(
                "The distance between train and calib needs logits of the stored views.", where=tag
            )
        parts = {
            "train": _score(logits.eval[train, None], y_train, temperature),
            "train_views": _score(logits.views, y_train, temperature),
            "calib": _score(logits.eval[calib, None], y_calib, temperature),
        }
        table.append(_record(tag, len(logits.fold_sha256), parts))
    fused = how.fused(ensemble, {tag: logits.eval[calib] for tag, logits in dev.items()}, calib)
    parts = {
        "train": _score(targets[:, :1], y_train),
        "train_views": _score(targets[:, 1:], y_train),
        "calib": _score(fused[:, None], y_calib),
    }
    return [
        *table,
        _record("ensemble", min(len(dev[tag].fold_sha256) for tag in ensemble.teachers), parts),
    ]


def memorised(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """What to warn of, in words: each model whose NLL on train views is below half of that on calib
    rows.
    """
    warnings = []
    for row in table:
        known, unseen = row["train_views"], row["calib"]
        if known["nll"] < _MEMORISED * unseen["nll"]:
            warnings.append(
                f"{row['model']} has learnt train rows by heart: NLL {known['nll']:.3f} and "
                f"accuracy {known['accuracy']:.1%} on their "
                f"views against {unseen['nll']:.3f} and {unseen['accuracy']:.1%} on calib rows; "
                "its soft labels there are "
                "sharper than it deserves (teacher.folds: 3 has rows judged by teachers that never "
                "saw them)"
            )
    return warnings


def _record(model: str, folds: int, parts: Mapping[str, dict[str, float]]) -> dict[str, Any]:
    known, unseen = parts["train_views"]["nll"], parts["calib"]["nll"]
    return {
        "model": model,
        "folds": folds,
        **parts,
        "train_to_calib": round(known / unseen, 6) if unseen > 0 else None,
    }


def _score(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> dict[str, float]:
    """Of logits [N, views, 7] of labels [N]."""
    y, nll, right = np.asarray(labels).astype(np.int64), 0.0, 0
    for i in range(0, len(y), _BLOCK):
        some = y[i : i + _BLOCK, None, None]
        log_p = log_softmax(logits[i : i + _BLOCK], temperature)
        nll -= float(np.take_along_axis(log_p, some, axis=-1).sum())
        right += int((log_p.argmax(axis=-1) == some[..., 0]).sum())
    count = logits[..., 0].size
    return {"faces": len(y), "nll": round(nll / count, 6), "accuracy": round(right / count, 6)}
