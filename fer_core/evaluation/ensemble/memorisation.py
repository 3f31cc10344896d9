"""How much better the teachers know their own train rows than rows they never saw.

A teacher that has learnt its train rows by heart gives soft labels there that say little more than
the labels; the distance between train and calib shows it. Everything is measured at the
temperatures fitted on calib rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.ensemble.ensemble import Ensemble
from fer_core.evaluation.metrics.metrics import log_softmax
from fer_core.logits.store import LogitsSet

__all__ = ["memorisation", "memorised"]

_MEMORISED = 0.5
_BLOCK = 8192


def memorisation(
    dev: Mapping[str, LogitsSet], ensemble: Ensemble, targets: np.ndarray
) -> list[dict[str, Any]]:
    """NLL and accuracy of each teacher and of the ensemble on train rows, on the stored views of
    them, and on calib rows.

    Args:
        dev: dev logits of each teacher of the ensemble, with views.
        ensemble: chosen on their calib rows.
        targets: [N_train, K + 1, 7], its soft labels at T = 1; column 0 is the evaluation view.

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
    fused = ensemble.fused({tag: logits.eval[calib] for tag, logits in dev.items()})
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
