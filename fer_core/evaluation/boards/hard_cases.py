"""The hard validation set: val rows on which teachers hesitate, disagree, or confuse two classes.

Three reasons, each from the calibrated teachers alone (no student decides what is hard for it):

- low_margin: the ensemble's two most probable classes lie close together;
- disagreement: the teachers' distributions differ, by the generalised Jensen-Shannon divergence
  H(mean) - mean(H) (Lin, 1991);
- confusable: the two most probable classes are one of the pairs that the ensemble confuses most on
  val.

Val rows chose the epochs of every model, so numbers on this set tell models apart but are no result
to report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import Field
from scipy.special import entr

from fer_core.base.artifact import (
    Header,
    new_artifact,
    open_artifact,
    read_values,
    write_values,
)
from fer_core.base.errors import ArtifactError
from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.base.params import Section
from fer_core.dataset.pack.tables import read_table, write_table
from fer_core.evaluation.ensemble.ensemble import Ensemble, check_teachers
from fer_core.evaluation.metrics.clusters import cluster_codes
from fer_core.evaluation.metrics.metrics import confusion_of, softmax
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import evaluate_logits
from fer_core.logits.store import LogitsSet

__all__ = [
    "REASONS",
    "HardCaseOptions",
    "HardCases",
    "HardSummary",
    "find_hard_cases",
    "read_hard_cases",
    "scores_on",
    "write_hard_cases",
]

REASONS = ("low_margin", "disagreement", "confusable")

_KIND = "hard_cases/2"
_TABLE, _SUMMARY = "hard_cases.parquet", "hard_cases.json"
_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("first", pa.int8(), nullable=False),
        pa.field("second", pa.int8(), nullable=False),
        pa.field("margin", pa.float32(), nullable=False),
        pa.field("divergence", pa.float32(), nullable=False),
        *[pa.field(reason, pa.bool_(), nullable=False) for reason in REASONS],
    ]
)


class HardCaseOptions(Section):
    """Which val rows are hard.

    Attributes:
        share: of the val rows: so many with the least margin, and so many with the most
            disagreement, are hard.
        pairs: so many of the most confused pairs of classes; of their rows the share with the least
            margin is hard.
    """

    share: Annotated[float, Field(gt=0, le=1)]
    pairs: Annotated[int, Field(ge=0, le=21)]


@dataclass(frozen=True)
class HardCases:
    """Every val row with what makes it hard.

    Attributes:
        table: the columns of the file, one row for each val row, in their order.
        pairs: the most confused pairs with the number of rows confused, most first.
        rows_sha256: of the rows.
    """

    table: pd.DataFrame
    pairs: list[tuple[str, str, int]]
    rows_sha256: str

    @property
    def hard(self) -> np.ndarray:
        """Which val rows are in the set, bool [N_val]."""
        return self.table[list(REASONS)].any(axis=1).to_numpy()


@dataclass(frozen=True)
class HardSummary:
    """Counts of the hard val rows, the pairs of classes, and every model's scores on them."""

    val_rows: int
    hard_rows: int
    by_reason: dict[str, int]
    by_class: dict[str, int]
    confused_pairs: list[dict[str, Any]]
    scores: dict[str, Any]


def find_hard_cases(
    dev: Mapping[str, LogitsSet], ensemble: Ensemble, options: HardCaseOptions
) -> HardCases:
    """Judge every val row; the same inputs give the same rows (ties go by sample_id).

    Args:
        dev: dev logits of each teacher of the ensemble.
        ensemble: chosen on the same rows.
        options: section `hard_cases`.

    Raises:
        ArtifactError: other teachers or rows than the ensemble's, or no val rows.
    """
    first = check_teachers(dev)
    if tuple(dev) != ensemble.teachers or first.rows_sha256 != ensemble.rows_sha256:
        raise ArtifactError(
            "The ensemble was made from other teachers or rows.",
            found=tuple(dev),
            expected=ensemble.teachers,
        )
    val = first.rows_of("val")
    if len(val) == 0:
        raise ArtifactError(
            "There are no val rows to look for hard cases among.", where=first.rows_sha256
        )
    p = softmax(ensemble.fused({tag: logits.eval[val] for tag, logits in dev.items()}))
    each = np.stack(
        [
            softmax(dev[tag].eval[val].astype(np.float64) / ensemble.temperatures[tag])
            for tag in ensemble.teachers
        ]
    )
    order = np.argsort(-p, axis=1, kind="stable")
    rows = np.arange(len(val))
    margin = p[rows, order[:, 0]] - p[rows, order[:, 1]]
    divergence = entr(each.mean(axis=0)).sum(axis=1) - entr(each).sum(axis=2).mean(axis=0)
    labels = first.labels[val].astype(np.int64)
    pairs = _confused_pairs(labels, order[:, 0], options.pairs)
    tops = np.sort(order[:, :2], axis=1)
    of_pair = np.isin(tops[:, 0] * N_CLASSES + tops[:, 1], [a * N_CLASSES + b for a, b, _ in pairs])
    ids = np.array([first.sample_ids[row] for row in val], dtype=object)
    confusable = np.zeros(len(val), dtype=bool)
    confusable[of_pair] = _lowest(margin[of_pair], ids[of_pair], options.share)
    table = pd.DataFrame(
        {
            "sample_id": ids,
            "label": labels.astype(np.int8),
            "first": order[:, 0].astype(np.int8),
            "second": order[:, 1].astype(np.int8),
            "margin": margin.astype(np.float32),
            "divergence": divergence.astype(np.float32),
            "low_margin": _lowest(margin, ids, options.share),
            "disagreement": _lowest(-divergence, ids, options.share),
            "confusable": confusable,
        }
    )
    named = [(CLASSES[a], CLASSES[b], n) for a, b, n in pairs]
    return HardCases(table, named, first.rows_sha256)


def scores_on(
    cases: HardCases,
    models: Mapping[str, tuple[list[str], np.ndarray, np.ndarray]],
    options: EvaluationOptions,
    seed: int,
    cluster_of: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Metrics of models, with their 95 % intervals, on the hard val rows and on all of them.

    Args:
        cases: the judged rows.
        models: name -> sample_ids, logits [N, 7] and labels [N] of its val rows.
        options: section `evaluation`.
        seed: of the bootstrap.
        cluster_of: of `read_clusters`; None where each row is a cluster of its own.

    Returns:
        name -> {"hard": …, "all": …}, each as `evaluate_logits` gives it.

    Raises:
        ArtifactError: a model has other val rows.
    """
    ids = cases.table["sample_id"].tolist()
    clusters = cluster_codes(ids, cluster_of or {})
    every = np.ones(len(ids), dtype=bool)
    result = {}
    for name, (sample_ids, logits, labels) in models.items():
        if sample_ids != ids:
            raise ArtifactError(
                "A model was evaluated on other val rows.",
                where=name,
                found=len(sample_ids),
                expected=len(ids),
            )
        result[name] = {
            part: evaluate_logits(
                logits[rows], labels[rows], options, seed, clusters=clusters[rows]
            )
            for part, rows in (("hard", cases.hard), ("all", every))
        }
    return result


def write_hard_cases(folder: Path, cases: HardCases, scores: dict[str, Any]) -> None:
    """Write `hard_cases.parquet` (every val row and what makes it hard) and `hard_cases.json`
    (counts, pairs, scores).
    """
    hard = cases.table[cases.hard]
    summary = HardSummary(
        val_rows=len(cases.table),
        hard_rows=len(hard),
        by_reason={reason: int(hard[reason].sum()) for reason in REASONS},
        by_class={name: int((hard["label"] == i).sum()) for i, name in enumerate(CLASSES)},
        confused_pairs=[{"classes": [a, b], "rows": n} for a, b, n in cases.pairs],
        scores=scores,
    )
    header = Header(_KIND, rows=len(cases.table), rows_sha256=cases.rows_sha256)
    with new_artifact(folder, header) as temporary:
        write_table(temporary / _TABLE, cases.table, _SCHEMA, _KIND)
        write_values(temporary / _SUMMARY, summary)


def read_hard_cases(folder: Path) -> tuple[pd.DataFrame, HardSummary, str]:
    """Read the table of all val rows, the summary, and the hash of the dev rows that they are of.

    Raises:
        ArtifactError: missing, damaged, or of another version or class order.
    """
    header = open_artifact(folder, _KIND)
    table = read_table(folder / _TABLE, _SCHEMA, _KIND)
    return table, read_values(folder / _SUMMARY, HardSummary), header.rows_sha256 or ""


def _lowest(values: np.ndarray, ids: np.ndarray, share: float) -> np.ndarray:
    """The `share` of the rows with the lowest values, bool [N]; at least one row where there are
    any.
    """
    chosen = np.zeros(len(values), dtype=bool)
    if len(values):
        chosen[np.lexsort((ids.astype(str), values))[: max(1, round(share * len(values)))]] = True
    return chosen


def _confused_pairs(
    labels: np.ndarray, predicted: np.ndarray, count: int
) -> list[tuple[int, int, int]]:
    """Pairs of classes (a < b) with the rows of either taken for the other, most first, none
    without rows.
    """
    confusion = confusion_of(labels * N_CLASSES + predicted)
    both = confusion + confusion.T
    pairs = [
        (a, b, int(both[a, b]))
        for a in range(N_CLASSES)
        for b in range(a + 1, N_CLASSES)
        if both[a, b]
    ]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))[:count]
