"""Records of the latency stage: the table of times, and the verdict on the int8 file.

The int8 file is worth using where it keeps the quality, which the export measured, and is faster,
which is a fact of one machine. So the verdict is not the export's, whose files are the same
everywhere: it is `metrics/onnxpromotion.json`, written where times are taken. Nothing here needs
what takes the times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from fer_core.base.artifact import read_values, write_values
from fer_core.base.errors import ArtifactError
from fer_core.base.files import new_file
from fer_core.evaluation.metrics.readers import read_columns

__all__ = [
    "COLUMNS",
    "ENOUGH_CALLS",
    "MOST_TIME",
    "Promotion",
    "judge",
    "read_latency",
    "read_promotions",
    "recommended",
    "write_latency",
    "write_promotions",
]

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
    "p95_ms",
    "p99_ms",
    "mean_ms",
    "best_p50_ms",
    "images_per_s",
    "cores_busy",
    "memory_mb",
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
JUDGED = "int8"
MOST_TIME = 0.9
"""Greatest share of the fp32 file's time that the int8 file may take."""
ENOUGH_CALLS = 1000
"""Timed calls of each file from which a verdict is final; with fewer it is provisional."""


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


@dataclass(frozen=True)
class Promotion:
    """Verdict on a file.

    Attributes:
        precision: of the file.
        promoted: it is the one to use here.
        macro_f1_drop: what it loses of the network's macro-F1 on the test rows.
        time_share: p50 over the fp32 file's, model alone, smallest batch, CPU, the worst of all
            thread counts; None where not timed.
        provisional: fewer than `ENOUGH_CALLS` calls of each file were timed, and speed decided.
        reason: in words.
    """

    precision: str
    promoted: bool
    macro_f1_drop: float
    time_share: float | None
    provisional: bool
    reason: str


@dataclass(frozen=True)
class _Promotions:
    """`onnxpromotion.json`."""

    schema: Literal[2]
    kind: Literal["onnxpromotion"]
    verdicts: list[Promotion]


def judge(parity: Mapping[str, Any], table: pd.DataFrame) -> list[Promotion]:
    """The verdict on the int8 file; empty where none was exported.

    Args:
        parity: as `read_parity` gives it.
        table: as `measure_latency` gives it.

    Raises:
        ArtifactError: the file passed its gate and was not timed next to its fp32 file.
    """
    if (refused := parity["refused"].get(JUDGED)) is not None:
        reason = f"{JUDGED} is not promoted: {'; '.join(refused['reasons'])}."
        return [Promotion(JUDGED, False, refused["macro_f1_drop"], None, False, reason)]
    if (passed := parity["precisions"].get(JUDGED)) is None:
        return []
    rows = table[
        (table["precision"] == JUDGED) & (table["provider"] == "CPU") & (table["scope"] == "model")
    ]
    rows = rows[rows["batch"] == rows["batch"].min()]
    shares = rows["ratio_to_fp32"]
    if not len(shares) or shares.isna().any():
        raise ArtifactError(
            "The int8 file was not timed next to its fp32 file.",
            found=f"{len(shares)} rows",
            remedy="run the `latency` stage",
        )
    share, drop, cpu = round(float(shares.max()), 4), passed["macro_f1_drop"], rows["cpu"].iloc[0]
    fast, calls = share <= MOST_TIME, int(rows["calls"].min())
    provisional = calls < ENOUGH_CALLS
    words = (
        f"it takes {share:.2f} of fp32's time on {cpu} (allowed {MOST_TIME:.2f}) and macro-F1 "
        f"moves by {-drop:+.4f} (allowed {-passed['gate']['macro_f1']:.3f})"
    )
    verdict = (
        f"{JUDGED} is {'' if fast else 'not '}promoted{', provisionally' if provisional else ''}: "
        f"{words}."
    )
    if provisional:
        verdict += (
            f" Only {calls:,} calls of each file were timed, and {ENOUGH_CALLS:,} make a verdict: "
            "raise latency.rounds or latency.calls."
        )
    return [Promotion(JUDGED, fast, drop, share, provisional, verdict)]


def recommended(promotions: Sequence[Promotion]) -> str:
    """Precision of the file to use on this machine's CPU: the promoted one, else fp32."""
    return next((promotion.precision for promotion in promotions if promotion.promoted), "fp32")


def write_promotions(path: Path, promotions: list[Promotion]) -> None:
    """Write `onnxpromotion.json`."""
    write_values(path, _Promotions(2, "onnxpromotion", promotions))


def read_promotions(path: Path) -> list[Promotion]:
    """Read `onnxpromotion.json`.

    Raises:
        ArtifactError: missing, damaged, of another schema, or a verdict is not complete.
    """
    return read_values(path, _Promotions).verdicts
