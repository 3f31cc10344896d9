"""Readers of JSON and CSV records whose own modules need more than their readers may load.

Each checks that the record is complete, so that a number is either the artifact's or an error.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from fer_core.base.artifact import REMAKE, object_with, read_plain
from fer_core.base.errors import ArtifactError
from fer_core.base.labels import check_class_order

__all__ = [
    "read_columns",
    "read_reliability",
    "read_reliability_metrics",
    "read_target_metrics",
    "read_validation",
]

_Values = dict[str, Any]
_VALIDATION = object_with(
    {
        "schema": Literal["validation/1"],
        "ok": bool,
        **dict.fromkeys(("counts", "rows_by_split", "dropped", "exclusions", "sets"), _Values),
        **dict.fromkeys(("manifest_sha256", "canonical", "twins"), Any),
    }
)
_RELIABILITY = object_with(
    {"rows": int, **dict.fromkeys(("raw", "temperature_scaled", "ece_floor"), _Values)}
)
_SETS: Any = dict[str, _RELIABILITY]  # type: ignore[valid-type]
_SPLITS = object_with(dict.fromkeys(("train", "val", "calib"), _Values))
_POINT = object_with(dict.fromkeys(("temperature", "max_probability", "entropy"), float))
_POINTS: Any = list[_POINT]  # type: ignore[valid-type]
_TARGETS = object_with({"splits": _SPLITS, "sharpness": _POINTS})


def read_validation(path: Path) -> dict[str, Any]:
    """The report of the passed gate.

    Raises:
        ArtifactError: missing, damaged, incomplete, of another version or class order, or not of a
            passed gate.
    """
    values: dict[str, Any] = read_plain(path, _VALIDATION)
    if not values["ok"]:
        raise ArtifactError(
            "This is not the report of a passed gate.",
            where=path,
            expected="ok true",
            remedy=REMAKE,
        )
    check_class_order(values["canonical"], path)
    return values


def read_target_metrics(path: Path) -> dict[str, Any]:
    """`ensemble_metrics.json` of the soft labels: metrics of train, val and calib rows, sharpness
    by temperature.

    Raises:
        ArtifactError: missing, damaged or incomplete.
    """
    values: dict[str, Any] = read_plain(path, _TARGETS)
    return values


def read_reliability_metrics(folder: Path) -> dict[str, Any]:
    """What each method of calibration does on val and every named test set.

    Returns:
        Set -> rows; raw, temperature_scaled and every other method fitted, each with metrics;
        ece_floor of temperature_scaled.

    Raises:
        ArtifactError: missing, damaged or incomplete.
    """
    values: dict[str, Any] = read_plain(folder / "reliabilitymetrics.json", _SETS)
    return values


def read_reliability(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """What a temperature does, from a calibration folder.

    Returns:
        As `read_reliability_metrics`; and the diagrams' points: set, stage, bin, confidence,
        accuracy, count.

    Raises:
        ArtifactError: missing, damaged or incomplete, or points that are not of every row.
    """
    metrics = read_reliability_metrics(folder)
    file = folder / "reliability.csv"
    points = read_columns(file, ("set", "stage", "bin", "confidence", "accuracy", "count"))
    for name, measured in metrics.items():
        mine = points[points["set"] == name]
        counts = {
            stage: mine.loc[mine["stage"] == stage, "count"].sum() for stage in ("raw", "scaled")
        }
        if counts != {"raw": measured["rows"], "scaled": measured["rows"]}:
            raise ArtifactError(
                "The points of a reliability diagram are not of every row.",
                where=f"{file}: {name}",
                found=counts,
                expected=measured["rows"],
                remedy=REMAKE,
            )
    return metrics, points


def read_columns(file: Path, columns: Collection[str]) -> pd.DataFrame:
    """Read a CSV file that has at least these columns.

    Raises:
        ArtifactError: missing, damaged, or a column is missing.
    """
    try:
        table = pd.read_csv(file, keep_default_na=False, na_values=[""])
    except FileNotFoundError as error:
        raise ArtifactError("A file is missing.", where=file, remedy=REMAKE) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ArtifactError(
            "This table is damaged.", where=file, found=error, remedy=REMAKE
        ) from error
    if missing := [name for name in columns if name not in table]:
        raise ArtifactError(
            "A column is missing.", where=file, found=list(table), expected=missing, remedy=REMAKE
        )
    return table
