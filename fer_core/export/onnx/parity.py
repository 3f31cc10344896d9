"""Does an exported file give what the trained network gives? Measured on real faces, end to end.

The reference is the network in torch on images prepared by the image bank, as in training; the
other side is the predictor on the same decoded faces. Neither is fed by the other, so a fault in
preprocessing, weights, precision or temperature shows.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from fer_core.base.artifact import object_with, read_plain
from fer_core.base.errors import ArtifactError, ModelError
from fer_core.base.files import write_json
from fer_core.base.logs import progress_off
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.metrics.metrics import log_softmax, measure, outcome_of, softmax
from fer_core.export.onnx.options import Precision
from fer_core.pixels.decode import decode_rgb
from fer_core.predict.metadata import NEVER
from fer_core.predict.predictor import Predictions, Predictor

__all__ = [
    "GATES",
    "Gate",
    "Parity",
    "Reference",
    "check_parity",
    "drop_refused",
    "measure_parity",
    "predict_pack",
    "read_parity",
    "write_parity",
]

log = logging.getLogger(__name__)

_CHUNK = 256
_BINS = 15
_SCORES = tuple(
    f"{name}{of}" for name in ("macro_f1", "accuracy", "ece") for of in ("_reference", "")
)
# A row whose two greatest reference logits lie closer than this share of the logit scale has no
# decided class: rounding may turn it.
_TIE = 1e-5


@dataclass(frozen=True)
class Parity:
    """How far an exported file is from the network.

    Attributes:
        rows: number of faces.
        ties: rows that are too close to call in the reference; they do not count in the agreement.
        scale: greatest absolute logit of the reference, absent classes left out.
        maxabsdiff, meanabsdiff: of the logits.
        relative: maxabsdiff / scale.
        agreement: share of rows with the same most probable class.
        kl: mean KL divergence from the reference's probabilities to the file's, in nats.
        max_probability_diff, mean_probability_diff: absolute difference of the probabilities.
        max_softmax_error: greatest absolute difference between a probability of the file and
            softmax(its own logits / T): the part that single precision computes in every file, so
            it is near zero unless the temperature is wrong.
        macro_f1_reference, macro_f1, accuracy_reference, accuracy: of both on the labels.
        ece_reference, ece: of both, calibrated.
        chosen_on: the same of val and calib rows, which decide where test rows must not; else None.
    """

    rows: int
    ties: int
    scale: float
    maxabsdiff: float
    meanabsdiff: float
    relative: float
    agreement: float
    kl: float
    max_probability_diff: float
    mean_probability_diff: float
    max_softmax_error: float
    macro_f1_reference: float
    macro_f1: float
    accuracy_reference: float
    accuracy: float
    ece_reference: float
    ece: float
    chosen_on: "Parity | None" = None

    @property
    def macro_f1_drop(self) -> float:
        """What the file loses of the network's macro-F1; below 0 where it gains."""
        return self.macro_f1_reference - self.macro_f1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, three significant digits of each difference, six decimals of each
        score.
        """
        values = {name: getattr(self, name) for name in _PLAIN}
        rounded = {
            name: float(f"{value:.2e}") if isinstance(value, float) else value
            for name, value in values.items()
        }
        exact = {
            name: round(getattr(self, name), 6) for name in ("agreement", *_SCORES, "macro_f1_drop")
        }
        chosen_on = {} if self.chosen_on is None else {"chosen_on": self.chosen_on.to_dict()}
        return rounded | exact | chosen_on


@dataclass(frozen=True)
class Gate:
    """What a file must reach to be handed out; see `Parity` for the quantities. A bound of None is
    not asked for.

    A file that breaks a `binding` gate is an error: something is wrong with the export. Else it is
    just not handed out, and that is decided on val and calib rows: test rows choose nothing.
    """

    relative: float | None
    agreement: float | None
    kl: float | None
    probability: float | None
    softmax: float
    macro_f1: float
    binding: bool
    accuracy: float | None = None
    ece: float | None = None

    def broken_by(self, parity: Parity) -> list[str]:
        """Sentences for every bound that is not kept, on the rows that decide."""
        parity = parity.chosen_on or parity
        bounds = [
            ("largest logit difference over the logit scale", parity.relative, self.relative),
            (
                "share of rows with another class",
                1 - parity.agreement,
                None if self.agreement is None else 1 - self.agreement,
            ),
            ("mean KL divergence", parity.kl, self.kl),
            ("largest probability difference", parity.max_probability_diff, self.probability),
            (
                "largest softmax error at the calibrated temperature",
                parity.max_softmax_error,
                self.softmax,
            ),
            ("drop of macro-F1", parity.macro_f1_drop, self.macro_f1),
            ("drop of accuracy", parity.accuracy_reference - parity.accuracy, self.accuracy),
            ("rise of ECE", parity.ece - parity.ece_reference, self.ece),
        ]
        return [
            f"{name} is {value:.3g}, allowed {bound:.3g}"
            for name, value, bound in bounds
            if bound is not None and not value <= bound + 1e-12
        ]


_PLAIN = [field.name for field in fields(Parity) if field.name != "chosen_on"]
_FIGURES = {**dict.fromkeys(_PLAIN, float), "macro_f1_drop": float}
_PASSED = object_with({**_FIGURES, "gate": dict[str, Any], "pass": bool})
_REFUSED = object_with({**_FIGURES, "gate": dict[str, Any], "pass": bool, "reasons": list[str]})
_RECORD = object_with(
    {
        "schema": Literal[3],
        "kind": Literal["onnxparity"],
        "rows_sha256": str,
        "rows_expected": int,
        "rows_used": int,
        "temperature": float,
        "precisions": dict[str, _PASSED],  # type: ignore[valid-type]
        "refused": dict[str, _REFUSED],  # type: ignore[valid-type]
    }
)

GATES: dict[Precision, Gate] = {
    "fp32": Gate(
        relative=1e-4,
        agreement=1.0,
        kl=1e-6,
        probability=1e-4,
        softmax=1e-5,
        macro_f1=0.001,
        binding=True,
    ),
    "fp16": Gate(
        relative=2e-2,
        agreement=0.99,
        kl=1e-3,
        probability=5e-2,
        softmax=1e-5,
        macro_f1=0.01,
        binding=True,
    ),
    "int8": Gate(
        relative=None,
        agreement=0.975,
        kl=None,
        probability=None,
        softmax=1e-5,
        macro_f1=0.01,
        binding=False,
        accuracy=0.005,
        ece=0.01,
    ),
}


def predict_pack(predictor: Predictor, pack: Pack, rows: np.ndarray | None = None) -> Predictions:
    """What the predictor says of faces of a half of the pack, decoded and prepared by itself.

    Args:
        predictor: an exported file.
        pack: the half.
        rows: numbers of the faces, int64 [N]; None for all.
    """
    rows = np.arange(len(pack)) if rows is None else rows
    starts = range(0, len(rows), _CHUNK)
    parts = [
        predictor.predict(
            [
                decode_rgb(pack.image(row), where=pack.rows.sample_ids[row])
                for row in rows[start : start + _CHUNK].tolist()
            ]
        )
        for start in tqdm(starts, desc="onnx", unit="batch", leave=False, disable=progress_off())
    ]
    return Predictions(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.logits for part in parts]),
    )


def measure_parity(
    reference: np.ndarray, temperature: float, found: Predictions, labels: np.ndarray
) -> Parity:
    """Compare N rows.

    Args:
        reference: the network's logits [N, 7]; those of absent classes are `NEVER`.
        temperature: T that the calibration found; the file's own is not used.
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
    second, first = np.sort(reference, axis=1)[:, -2:].T
    decided = first - second > _TIE * scale
    same = (reference.argmax(axis=1) == found.logits.argmax(axis=1))[decided]
    log_p = log_softmax(reference, temperature)
    apart = np.abs(np.exp(log_p) - found.probabilities)
    log_q = np.log(np.maximum(found.probabilities.astype(np.float64), np.finfo(np.float64).tiny))
    before, after = (_scores(z, labels, temperature) for z in (reference, found.logits))
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
        max_softmax_error=float(
            np.abs(softmax(found.logits, temperature) - found.probabilities).max()
        ),
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

    def parity(self, predictor: Predictor, temperature: float) -> Parity:
        """`measure_parity` of an exported file on these faces."""
        found = predict_pack(predictor, self.pack, self.rows)
        return measure_parity(self.logits, temperature, found, self.pack.rows.labels[self.rows])


def check_parity(
    test: Reference,
    temperature: float,
    files: Mapping[Precision, Path],
    threads: int,
    chosen_on: Reference | None = None,
) -> dict[Precision, Parity]:
    """Measure each file on test rows and hold it against the gate of its precision.

    Args:
        test: the rows that are reported.
        temperature: T that the calibration found.
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
        parity = test.parity(predictor, temperature)
        if not gate.binding and chosen_on is not None:
            parity = replace(parity, chosen_on=chosen_on.parity(predictor, temperature))
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


def write_parity(
    path: Path,
    results: Mapping[Precision, Parity],
    temperature: float,
    rows: Rows,
) -> None:
    """Write `onnxparity.json`: figures on the test rows, gate and verdict of each precision; those
    not handed out apart, with the reasons. What was decided on val and calib rows has their figures
    under "chosen_on".
    """
    passed: dict[str, Any] = {}
    refused: dict[str, Any] = {}
    for name, parity in results.items():
        reasons = GATES[name].broken_by(parity)
        record = {**parity.to_dict(), "gate": asdict(GATES[name]), "pass": not reasons}
        if reasons:
            refused[name] = {**record, "reasons": reasons}
        else:
            passed[name] = record
    write_json(
        path,
        {
            "schema": 3,
            "kind": "onnxparity",
            "rows_sha256": rows.sha256,
            "rows_expected": len(rows),
            "rows_used": min(parity.rows for parity in results.values()),
            "temperature": temperature,
            "precisions": passed,
            "refused": refused,
        },
    )


def read_parity(path: Path) -> dict[str, Any]:
    """Read `onnxparity.json`: `rows_sha256`, `temperature`, and by precision the figures of the
    files handed out (`precisions`) and of those that are not (`refused`, with `reasons`).

    Raises:
        ArtifactError: missing, damaged, of another schema, without a figure, or not measured on
            every row.
    """
    values: dict[str, Any] = read_plain(path, _RECORD)
    if values["rows_used"] != values["rows_expected"]:
        raise ArtifactError(
            "Parity was not measured in full.",
            where=path,
            found=values["rows_used"],
            expected=values["rows_expected"],
        )
    return values


def _scores(logits: np.ndarray, labels: np.ndarray, temperature: float) -> dict[str, float]:
    outcome = outcome_of(logits, labels, _BINS, temperature)
    return measure(outcome, names=("macro_f1", "accuracy", "ece"))
