"""What an exported file must reach to be handed out, and the record of what it reaches,
`onnxparity.json`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from fer_core.base.artifact import object_with, read_plain
from fer_core.base.errors import ArtifactError
from fer_core.base.files import write_json
from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.calibration.calibrators import Calibrator, calibrator_to_json
from fer_core.export.onnx.options import Precision

__all__ = ["GATES", "LEAST", "Gate", "Parity", "plain_calibrator", "read_parity", "write_parity"]

LEAST = {
    **dict.fromkeys(("maxabsdiff", "meanabsdiff", "relative"), 1e-5),
    **dict.fromkeys(("max_probability_diff", "mean_probability_diff"), 1e-5),
    "max_softmax_error": 1e-6,
    "kl": 1e-7,
}
"""A difference below this is rounding in single precision. Its digits follow the processor, by
which onnxruntime chooses its code, so records have this bound in its place and are the same
everywhere.
"""
_SCORES = tuple(
    f"{name}{of}" for name in ("macro_f1", "accuracy", "ece") for of in ("_reference", "")
)


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
            what the calibration makes of its own logits: the part that single precision computes in
            every file, so it is near zero unless the calibration is wrong.
        macro_f1_reference, macro_f1, accuracy_reference, accuracy: of both on the labels; a
            calibration by class may change the predicted class.
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
        """Plain values for JSON: two significant digits of each difference, none below what single
        precision leaves, and six decimals of each score.
        """
        values = {name: getattr(self, name) for name in _PLAIN}
        rounded = {
            name: float(f"{max(value, LEAST.get(name, 0.0)):.1e}")
            if isinstance(value, float)
            else value
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
                "largest softmax error under the calibration",
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
        "schema": Literal[4],
        "kind": Literal["onnxparity"],
        "rows_sha256": str,
        "rows_expected": int,
        "rows_used": int,
        "calibrator": dict[str, Any],
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
        agreement=0.995,
        kl=1e-3,
        probability=5e-2,
        softmax=1e-5,
        macro_f1=0.01,
        binding=False,
        accuracy=0.005,
        ece=0.01,
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


def write_parity(
    path: Path,
    results: Mapping[Precision, Parity],
    calibrator: Calibrator,
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
            "schema": 4,
            "kind": "onnxparity",
            "rows_sha256": rows.sha256,
            "rows_expected": len(rows),
            "rows_used": min(parity.rows for parity in results.values()),
            "calibrator": plain_calibrator(calibrator),
            "precisions": passed,
            "refused": refused,
        },
    )


def plain_calibrator(calibrator: Calibrator) -> dict[str, Any]:
    """Its method and parameters, for JSON."""
    return {"method": calibrator.method, **calibrator_to_json(calibrator)}


def read_parity(path: Path) -> dict[str, Any]:
    """Read `onnxparity.json`: `rows_sha256`, `calibrator`, and by precision the figures of the
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
