"""Does an exported file give what the trained network gives? Measured on real faces, end to end.

The reference is the network in torch on images prepared by the image bank, as in training; the
other side is the predictor on the same decoded faces. Neither is fed by the other, so a fault in
preprocessing, weights, precision or temperature shows.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from fer_core.base.artifact import object_with, read_plain
from fer_core.base.errors import ArtifactError, ModelError
from fer_core.base.files import write_json
from fer_core.base.logs import progress_off
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.metrics.metrics import log_softmax, measure, outcome_of, softmax
from fer_core.export.onnx.options import Precision
from fer_core.pixels.decode import decode_rgb
from fer_core.predict.metadata import NEVER
from fer_core.predict.predictor import Predictions, Predictor

__all__ = [
    "GATES",
    "Gate",
    "Parity",
    "check_parity",
    "drop_refused",
    "measure_parity",
    "predict_pack",
    "read_parity",
    "write_parity",
]

log = logging.getLogger(__name__)

_CHUNK = 256
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
        macro_f1_reference, macro_f1: of both on the labels.
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

    @property
    def macro_f1_drop(self) -> float:
        """What the file loses of the network's macro-F1; below 0 where it gains."""
        return self.macro_f1_reference - self.macro_f1

    def to_dict(self) -> dict[str, float | int]:
        """Plain values for JSON, three significant digits of each difference, six decimals of each
        score.
        """
        rounded = {
            name: float(f"{value:.2e}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }
        exact = {
            name: round(getattr(self, name), 6)
            for name in ("agreement", "macro_f1_reference", "macro_f1", "macro_f1_drop")
        }
        return rounded | exact


@dataclass(frozen=True)
class Gate:
    """What a file must reach to be handed out; see `Parity` for the quantities. A bound of None is
    not asked for.

    A file that breaks a `binding` gate is an error: something is wrong with the export. Else it is
    just not handed out.
    """

    relative: float | None
    agreement: float | None
    kl: float | None
    probability: float | None
    softmax: float
    macro_f1: float
    binding: bool

    def broken_by(self, parity: Parity) -> list[str]:
        """Sentences for every bound that is not kept."""
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
        ]
        return [
            f"{name} is {value:.3g}, allowed {bound:.3g}"
            for name, value, bound in bounds
            if bound is not None and not value <= bound + 1e-12
        ]


_FIGURES = {
    **dict.fromkeys([field.name for field in fields(Parity)], float),
    "macro_f1_drop": float,
}
_PASSED = object_with({**_FIGURES, "gate": dict[str, Any], "pass": bool})
_REFUSED = object_with({**_FIGURES, "gate": dict[str, Any], "pass": bool, "reasons": list[str]})
_RECORD = object_with(
    {
        "schema": Literal[2],
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
        agreement=None,
        kl=None,
        probability=None,
        softmax=1e-5,
        macro_f1=0.01,
        binding=False,
    ),
}


def predict_pack(predictor: Predictor, pack: Pack) -> Predictions:
    """What the predictor says of every face of a half of the pack, decoded and prepared by
    itself.
    """
    parts = []
    for start in tqdm(
        range(0, len(pack), _CHUNK), desc="onnx", unit="batch", leave=False, disable=progress_off()
    ):
        rows = range(start, min(start + _CHUNK, len(pack)))
        parts.append(
            predictor.predict(
                [decode_rgb(pack.image(row), where=pack.rows.sample_ids[row]) for row in rows]
            )
        )
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
        macro_f1_reference=_macro_f1(reference, labels),
        macro_f1=_macro_f1(found.logits, labels),
    )


def check_parity(
    reference: np.ndarray,
    temperature: float,
    pack: Pack,
    files: Mapping[Precision, Path],
    threads: int,
) -> dict[Precision, Parity]:
    """Measure each file on a half of the pack and hold it against the gate of its precision.

    Returns:
        The figures of each file, of one that breaks a gate which is not binding too.

    Raises:
        ModelError: a file breaks a binding gate; names file, bounds and values.
    """
    results: dict[Precision, Parity] = {}
    for precision, path in files.items():
        found = predict_pack(Predictor(path, threads=threads), pack)
        results[precision] = measure_parity(reference, temperature, found, pack.rows.labels)
        faults = GATES[precision].broken_by(results[precision])
        if faults and GATES[precision].binding:
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
    rows_sha256: str,
    rows_expected: int,
) -> None:
    """Write `onnxparity.json`: figures, gate and verdict of each precision; those not handed out
    apart, with the reasons.
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
            "schema": 2,
            "kind": "onnxparity",
            "rows_sha256": rows_sha256,
            "rows_expected": rows_expected,
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


def _macro_f1(logits: np.ndarray, labels: np.ndarray) -> float:
    return measure(outcome_of(logits, labels, bins=1), names=("macro_f1",))["macro_f1"]
