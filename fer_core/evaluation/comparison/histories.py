"""Readers of the small JSON and CSV records that the report shows and whose own modules need more
than the report may load.

Each checks schema and completeness, so that a number is either the artifact's or an error.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json
from fer_core.base.labels import check_class_order
from fer_core.evaluation.metrics.reliability import read_reliability_metrics

__all__ = [
    "read_history",
    "read_reliability",
    "read_target_metrics",
    "read_validation",
]

_REMEDY = "run `fer run` (or `dvc repro`) to make it again"
_HISTORY = (
    "epoch",
    "phase",
    "train_loss",
    "train_accuracy",
    "val_accuracy",
    "val_macro_f1",
    "val_nll",
)
_VALIDATION = (
    "manifest_sha256",
    "canonical",
    "counts",
    "rows_by_split",
    "dropped",
    "exclusions",
    "twins",
    "sets",
)
_RELIABILITY = ("set", "stage", "bin", "confidence", "accuracy", "count")


def read_validation(path: Path) -> dict[str, Any]:
    """The report of the passed gate.

    Raises:
        ArtifactError: missing, damaged, incomplete, of another version or class order, or not of a
            passed gate.
    """
    values = _object(path, _VALIDATION)
    if (values.get("schema"), values.get("ok")) != ("validation/1", True):
        raise ArtifactError(
            "This is not the report of a passed gate.",
            where=path,
            expected="schema validation/1, ok true",
            remedy=_REMEDY,
        )
    check_class_order(values["canonical"], path)
    return values


def read_history(folder: Path) -> pd.DataFrame:
    """What each epoch of a training gave, from the `record/` folder: epoch (from 0), phase, losses
    and scores.

    Raises:
        ArtifactError: missing, damaged, without an epoch or a column, epochs that do not count 0,
            1, …, or a value that is not finite.
    """
    file = folder / "history.csv"
    table = _table(file, _HISTORY)
    if not len(table) or table["epoch"].tolist() != list(range(len(table))):
        raise ArtifactError(
            "This history does not hold every epoch.",
            where=file,
            found=table["epoch"].tolist(),
            remedy=_REMEDY,
        )
    numbers = table[[name for name in _HISTORY if name != "phase"]]
    if (
        not all(pd.api.types.is_numeric_dtype(kind) for kind in numbers.dtypes)
        or not np.isfinite(numbers.to_numpy(dtype=float)).all()
    ):
        raise ArtifactError(
            "A value of this history is not a finite number.", where=file, remedy=_REMEDY
        )
    return table


def read_reliability(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """What a temperature does, from a calibration folder.

    Returns:
        Set -> rows, raw, temperature_scaled, ece_floor; and the diagrams' points: set, stage, bin,
            confidence, accuracy, count.

    Raises:
        ArtifactError: missing, damaged or incomplete, or points that are not of every row.
    """
    metrics = read_reliability_metrics(folder)
    points = _table(folder / "reliability.csv", _RELIABILITY)
    for name, measured in metrics.items():
        mine = points[points["set"] == name]
        counts = {
            stage: mine.loc[mine["stage"] == stage, "count"].sum() for stage in ("raw", "scaled")
        }
        if counts != {"raw": measured["rows"], "scaled": measured["rows"]}:
            raise ArtifactError(
                "The points of a reliability diagram are not of every row.",
                where=f"{folder / 'reliability.csv'}: {name}",
                found=counts,
                expected=measured["rows"],
                remedy=_REMEDY,
            )
    return metrics, points


def read_target_metrics(path: Path) -> dict[str, Any]:
    """`ensemble_metrics.json` of the soft labels: metrics of train, val and calib rows, sharpness
    by temperature.

    Raises:
        ArtifactError: missing, damaged or incomplete.
    """
    values = _object(path, ("splits", "sharpness"))
    _complete(values["splits"], ("train", "val", "calib"), path)
    for point in values["sharpness"]:
        _complete(point, ("temperature", "max_probability", "entropy"), path)
    return values


def _object(path: Path, keys: Collection[str]) -> dict[str, Any]:
    values = read_json(path)
    _complete(values, keys, path)
    return values


def _complete(values: Any, keys: Collection[str], where: object) -> None:
    if not isinstance(values, dict):
        raise ArtifactError(
            "This record holds no keys.", where=where, found=type(values).__name__, remedy=_REMEDY
        )
    if missing := [key for key in keys if key not in values]:
        raise ArtifactError(
            "A key is missing.", where=where, expected=", ".join(missing), remedy=_REMEDY
        )


def _table(file: Path, columns: Collection[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, keep_default_na=False, na_values=[""])
    except FileNotFoundError as error:
        raise ArtifactError("A file is missing.", where=file, remedy=_REMEDY) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ArtifactError(
            "This table is damaged.", where=file, found=error, remedy=_REMEDY
        ) from error
    if missing := [name for name in columns if name not in table]:
        raise ArtifactError(
            "A column is missing.", where=file, found=list(table), expected=missing, remedy=_REMEDY
        )
    return table
