"""Reader of `reliabilitymetrics.json` in a calibration folder: what each method of calibration does
on val and every named test set.
"""

from pathlib import Path
from typing import Any

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json

__all__ = ["read_reliability_metrics"]

_KEYS = ("rows", "raw", "temperature_scaled", "ece_floor")
_REMEDY = "run `fer run` (or `dvc repro`) to make it again"


def read_reliability_metrics(folder: Path) -> dict[str, Any]:
    """Set -> rows; raw, temperature_scaled and every other method fitted, each with metrics;
    ece_floor of temperature_scaled.

    Raises:
        ArtifactError: missing, damaged or incomplete.
    """
    file = folder / "reliabilitymetrics.json"
    metrics = read_json(file)
    for where, values, keys in (
        (file, metrics, ()),
        *((f"{file}: {name}", found, _KEYS) for name, found in _items(metrics)),
    ):
        if not isinstance(values, dict):
            raise ArtifactError(
                "This record holds no keys.",
                where=where,
                found=type(values).__name__,
                remedy=_REMEDY,
            )
        if missing := [key for key in keys if key not in values]:
            raise ArtifactError(
                "A key is missing.", where=where, expected=", ".join(missing), remedy=_REMEDY
            )
    return metrics


def _items(values: Any) -> list[tuple[str, Any]]:
    return list(values.items()) if isinstance(values, dict) else []
