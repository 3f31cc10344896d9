"""Does an exported file give what the trained network gives? Measured on real faces, end to end.

The reference is the network in torch on images prepared by the image bank, as in training; the
other side is the predictor on the same decoded faces. Neither is fed by the other, so a fault in
preprocessing, weights, precision or calibration shows.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fer_core.base.errors import ArtifactError, ModelError
from fer_core.base.labels import NEVER
from fer_core.base.logs import progress_off
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.calibration.calibrators import Calibrator
from fer_core.evaluation.metrics.metrics import log_softmax, measure, outcome_of, softmax
from fer_core.export.onnx.gates import GATES, Parity
from fer_core.export.onnx.options import Precision
from fer_core.pixels.decode import decode_rgb
from fer_core.predict.predictor import Predictions, Predictor

__all__ = [
    "Reference",
    "check_parity",
    "drop_refused",
    "measure_parity",
    "predict_pack",
]

log = logging.getLogger(__name__)

_CHUNK = 256
_BINS = 15
# A row whose two greatest calibrated logits lie closer in the reference than this share of their
# scale has no decided class: rounding may turn it.
_TIE = 1e-5


def predict_pack(predictor: Predictor, pack: Pack, rows: np.ndarray | None = None) -> Predictions:
    """What the predictor says of faces of a half of the pack, decoded and prepared by itself.

    Args:
        predictor: an exported file.
        pack: the half.
        rows: numbers of the faces, int64 [N]; None for all.
    """
    rows = np.arange(len(pack)) if rows is None else rows
    starts = range(0, len(rows), _CHUNK)
    return Predictions.joined(
        predictor.predict(
            [
                decode_rgb(pack.image(row), where=pack.rows.sample_ids[row])
                for row in rows[start : start + _CHUNK].tolist()
            ]
        )
        for start in tqdm(starts, desc="onnx", unit="batch", leave=False, disable=progress_off())
    )


def measure_parity(
    reference: np.ndarray, calibrator: Calibrator, found: Predictions, labels: np.ndarray
) -> Parity:
    """Compare N rows.

    Args:
        reference: the network's logits [N, 7]; those of absent classes are `NEVER`.
        calibrator: what the file is to carry; what it says itself is not used.
        found: the file's answers.
        labels: class indices [N].

    Raises:
        ArtifactError: no row, or numbers of rows that differ.
        ModelError: the file gives a value that is not finite.
    """
    if not len(reference) == len(found) == len(labels) or not len(labels):
        raise ArtifactError(
            "Parity needs the same faces on both sides.",
            found=f"{len(reference)}, {len(found)} and {len(labels)} rows",
        )
    if not (np.isfinite(found.logits).all() and np.isfinite(found.probabilities).all()):
        raise ModelError(
            "The exported network gives values that are not finite.",
            remedy="export in a wider precision",
        )
    reference = reference.astype(np.float64)
    difference = np.abs(found.logits - reference)
    scale = max(float(np.abs(reference[reference > NEVER]).max()), float(np.finfo(np.float32).tiny))
    z, of_file = (calibrator.apply(logits) for logits in (reference, found.logits))
    second, first = np.sort(z, axis=1)[:, -2:].T
    decided = first - second > _TIE * np.abs(z[reference > NEVER]).max()
    same = (z.argmax(axis=1) == of_file.argmax(axis=1))[decided]
    log_p = log_softmax(z)
    apart = np.abs(np.exp(log_p) - found.probabilities)
    log_q = np.log(np.maximum(found.probabilities.astype(np.float64), np.finfo(np.float64).tiny))
    before, after = (_scores(one, labels) for one in (z, of_file))
    return Parity(
        rows=len(labels),
        ties=int((~decided).sum()),
        scale=scale,
        maxabsdiff=float(difference.max()),
        meanabsdiff=float(difference.mean()),
        relative=float(difference.max()) / scale,
        agreement=float(same.mean()) if len(same) else 1.0,
        kl=max(float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean()), 0.0),
        max_probability_diff=float(apart.max()),
        mean_probability_diff=float(apart.mean()),
        max_softmax_error=float(np.abs(softmax(of_file) - found.probabilities).max()),
        macro_f1_reference=before["macro_f1"],
        macro_f1=after["macro_f1"],
        accuracy_reference=before["accuracy"],
        accuracy=after["accuracy"],
        ece_reference=before["ece"],
        ece=after["ece"],
    )


@dataclass(frozen=True)
class Reference:
    """What the trained network says of some faces.

    Attributes:
        pack: the half that they are in.
        rows: their numbers there, int64 [N].
        logits: [N, 7].
    """

    pack: Pack
    rows: np.ndarray
    logits: np.ndarray

    def parity(self, predictor: Predictor, calibrator: Calibrator) -> Parity:
        """`measure_parity` of an exported file on these faces."""
        found = predict_pack(predictor, self.pack, self.rows)
        return measure_parity(self.logits, calibrator, found, self.pack.rows.labels[self.rows])


def check_parity(
    test: Reference,
    calibrator: Calibrator,
    files: Mapping[Precision, Path],
    threads: int,
    chosen_on: Reference | None = None,
) -> dict[Precision, Parity]:
    """Measure each file on test rows and hold it against the gate of its precision.

    Args:
        test: the rows that are reported.
        calibrator: what the files are to carry.
        files: of each precision.
        threads: of the predictor.
        chosen_on: val and calib rows: whether a file without a binding gate is handed out is
            decided on them, so that test rows choose nothing.

    Returns:
        The figures of each file, of one that breaks a gate which is not binding too.

    Raises:
        ModelError: a file breaks a binding gate; names file, bounds and values.
    """
    results: dict[Precision, Parity] = {}
    for precision, path in files.items():
        predictor, gate = Predictor(path, threads=threads), GATES[precision]
        parity = test.parity(predictor, calibrator)
        if not gate.binding and chosen_on is not None:
            parity = replace(parity, chosen_on=chosen_on.parity(predictor, calibrator))
        results[precision] = parity
        faults = gate.broken_by(parity)
        if faults and gate.binding:
            raise ModelError(
                "The exported file does not give what the trained network gives.",
                where=path.name,
                found="; ".join(faults),
                remedy="leave this precision out of deploy.precisions, or choose another "
                "architecture",
            )
    return results


def drop_refused(
    files: Mapping[Precision, Path], results: Mapping[Precision, Parity]
) -> dict[Precision, Path]:
    """Delete the files that broke their gates, say so, and return the others."""
    kept: dict[Precision, Path] = {}
    for precision, path in files.items():
        parity = results[precision]
        if faults := GATES[precision].broken_by(parity):
            path.unlink()
            log.warning("%s is not handed out: %s", path.name, "; ".join(faults))
            continue
        kept[precision] = path
        log.info(
            "%s: largest logit difference %.1e of %.3g, agreement %.4f",
            path.name,
            parity.maxabsdiff,
            parity.scale,
            parity.agreement,
        )
    return kept


def _scores(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return measure(outcome_of(logits, labels, _BINS), names=("macro_f1", "accuracy", "ece"))
