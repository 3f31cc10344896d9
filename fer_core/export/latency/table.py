"""The table of latencies as a file: its columns, and reading and writing it. Nothing here needs
what takes the times.
"""

from pathlib import Path

import pandas as pd

from fer_core.base.errors import ArtifactError
from fer_core.base.files import new_file
from fer_core.evaluation.metrics.readers import read_columns

__all__ = ["COLUMNS", "read_latency", "write_latency"]

COLUMNS = (
    "model",
    "precision",
    "provider",
    "scope",
    "batch",
    "threads",
    "rounds",
    "calls",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "mean_ms",
    "best_p50_ms",
    "images_per_s",
    "ratio_to_reference",
    "ratio_to_fp32",
    "pinned",
    "size",
    "crop_side",
    "cpu",
    "cores",
    "load_average",
    "onnxruntime",
)


def write_latency(path: Path, table: pd.DataFrame) -> None:
    """Write the table as CSV with the columns `COLUMNS`."""
    with new_file(path) as temporary:
        table[list(COLUMNS)].to_csv(
            temporary, index=False, float_format="%.4f", lineterminator="\n"
        )


def read_latency(path: Path) -> pd.DataFrame:
    """Read the table.

    Raises:
        ArtifactError: missing, empty, or with other columns.
    """
    table = read_columns(path, ())
    if tuple(table.columns) != COLUMNS or table.empty:
        raise ArtifactError(
            "The latency table is of another version.",
            where=path,
            found=list(table.columns),
            expected=list(COLUMNS),
            remedy="run the `latency` stage",
        )
    return table
