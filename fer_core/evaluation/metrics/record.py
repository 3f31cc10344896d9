"""The evaluation of one network: its logits and every metric with its interval, as an artifact.

`data/evaluation/<key>/` holds `dev/` and `test/` (logits of the val and calib rows, and of the test
rows), `sets.parquet` (which test row belongs to which named test set), `clusters.parquet` (which
rows belong together with another, by picture or group) and `metrics.json`. Calibration and
comparison need nothing else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from fer_core.base.artifact import Header, new_artifact, open_artifact
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from fer_core.base.logs import progress_off
from fer_core.dataset.pack.rows import Rows
from fer_core.dataset.pack.tables import read_table, write_table
from fer_core.evaluation.metrics.bootstrap import confidence_intervals
from fer_core.evaluation.metrics.clusters import cluster_codes
from fer_core.evaluation.metrics.metrics import class_details, measure, outcome_of
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.logits.store import LogitsSet, read_recorded_logits, write_logits

__all__ = ["Evaluation", "evaluate_logits", "read_evaluation", "record_evaluation"]

_KIND = "evaluation/4"
_SETS_KIND = "evaluation_sets/1"
_SETS = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("sets", pa.list_(pa.string()), nullable=False),
    ]
)
_CLUSTERS_KIND = "evaluation_clusters/1"
_CLUSTERS = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("sample_id", "cluster_of")]
)
_DEV = ("val", "calib")
_SURE = ("nll", "brier", "ece")  # what a temperature changes


@dataclass(frozen=True)
class Evaluation:
    """A network's logits, as recorded.

    Attributes:
        key: student key or teacher's tag.
        kind: "teacher" or "student".
        dev: logits of the val and calib rows.
        test: logits of the test rows.
        sets: named test set -> bool [N_test].
        metrics: set -> rows_expected, rows_used, clusters (distinct ones), metrics, per_class_f1,
            confusion; fixed_temperatures where the options name some.
        budget: what was spent on training, for fair comparisons.
        cluster_of: row -> first row of its cluster, for rows that are not that one (see
            `read_clusters`); all others are clusters of their own.
    """

    key: str
    kind: Literal["teacher", "student"]
    dev: LogitsSet
    test: LogitsSet
    sets: dict[str, np.ndarray]
    metrics: dict[str, Any]
    budget: dict[str, Any]
    cluster_of: dict[str, str] = field(default_factory=dict)

    def each_set(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Name, logits [n, 7] and labels [n] of val, calib and every named test set."""
        yield from _each_set(self.dev, self.test, self.sets)

    def sample_ids(self, name: str) -> list[str]:
        """Rows of val, calib or a named test set, in the order of `each_set`."""
        half, rows = (
            (self.test, np.flatnonzero(self.sets[name]))
            if name in self.sets
            else (self.dev, self.dev.rows_of(name))
        )
        return [half.sample_ids[i] for i in rows]

    def clusters(self, name: str) -> np.ndarray:
        """Equal numbers for rows of one cluster, int64 [n], in the order of `each_set`."""
        return cluster_codes(self.sample_ids(name), self.cluster_of)


def evaluate_logits(
    logits: np.ndarray,
    labels: np.ndarray,
    options: EvaluationOptions,
    seed: int,
    temperature: float = 1.0,
    clusters: np.ndarray | None = None,
) -> dict[str, Any]:
    """Every metric of one set with its 95 % interval over the choice of clusters (see
    `stratified_weights`).

    Returns:
        Plain values for JSON: metrics {name: {value, low, high}}, per_class_f1 and confusion (see
            `metrics`).
    """
    outcome = outcome_of(logits, labels, options.bins, temperature)
    intervals = confidence_intervals(outcome, options.bootstrap, seed, clusters=clusters)
    return {
        "metrics": {name: interval.to_dict() for name, interval in intervals.items()},
        **class_details(outcome),
    }


def record_evaluation(
    out: Path,
    network: Evaluation,
    dev_rows: Rows,
    test_rows: Rows,
    options: EvaluationOptions,
    seed: int,
) -> None:
    """Measure a network on val, calib and every named test set, and write all of it in one step.

    Args:
        out: folder to write.
        network: its logits and sets, without metrics; its dev logits cover val and calib, and other
            splits in them are left out.
        dev_rows, test_rows: the pack's rows: what the logits must be of.
        options: section `evaluation`.
        seed: of the bootstrap; equal seeds give equal resamples.

    Raises:
        ArtifactError: logits of other rows, dev and test of different weights or preprocessing, an
            empty or misshapen set, a set called val or calib, no set, or fewer rows measured than a
            set has.
    """
    key, dev, test, sets = network.key, network.dev.only(*_DEV), network.test, network.sets
    dev.check_rows(dev_rows, f"{key}: dev logits")
    test.check_rows(test_rows, f"{key}: test logits")
    _check_one_network(dev, test, key)
    _check_sets(sets, len(test_rows), key)
    used = [*dev.sample_ids, *test.sample_ids]
    joined = {i: network.cluster_of[i] for i in used if i in network.cluster_of}
    evaluation = replace(network, dev=dev, cluster_of=joined)
    expected = {
        **{name: len(dev_rows.split(name)) for name in _DEV},
        **{name: int(mask.sum()) for name, mask in sets.items()},
    }
    measured = _measured(evaluation, expected, options, seed)
    header = Header(
        _KIND,
        key,
        made_from={
            "model": dev.model_sha256,
            "preprocessing": dev.preprocessing_hash,
            "dev rows": dev.rows_sha256,
            "test rows": test.rows_sha256,
        },
    )
    values = {
        "kind": network.kind,
        "budget": network.budget,
        "options": {"bootstrap": options.bootstrap, "bins": options.bins, "seed": seed},
        "sets": measured,
    }
    with new_artifact(out, header) as temporary:
        write_logits(temporary / "dev", dev)
        write_logits(temporary / "test", test)
        members = [[name for name in sets if sets[name][i]] for i in range(len(test))]
        table = pd.DataFrame({"sample_id": test.sample_ids, "sets": members})
        write_table(temporary / "sets.parquet", table, _SETS, _SETS_KIND)
        table = pd.DataFrame({"sample_id": list(joined), "cluster_of": list(joined.values())})
        write_table(temporary / "clusters.parquet", table, _CLUSTERS, _CLUSTERS_KIND)
        write_json(temporary / "metrics.json", values)


def _measured(
    evaluation: Evaluation, expected: Mapping[str, int], options: EvaluationOptions, seed: int
) -> dict[str, Any]:
    """The metrics of every set, of as many rows as are expected of it."""
    measured = {}
    bar = tqdm(
        evaluation.each_set(),
        total=len(expected),
        desc=f"evaluate {evaluation.key}",
        leave=False,
        disable=progress_off(),
    )
    for name, logits, labels in bar:
        if len(labels) != expected[name]:
            raise ArtifactError(
                f"The set {name} lost rows.",
                where=evaluation.key,
                found=len(labels),
                expected=expected[name],
            )
        clusters = evaluation.clusters(name)
        counts = {
            "rows_expected": expected[name],
            "rows_used": len(labels),
            "clusters": len(set(clusters.tolist())),
        }
        measured[name] = {
            **counts,
            **evaluate_logits(logits, labels, options, seed, clusters=clusters),
        }
        if options.fixed_temperatures:
            measured[name]["fixed_temperatures"] = [
                {"temperature": t}
                | measure(outcome_of(logits, labels, options.bins, t), names=_SURE)
                for t in options.fixed_temperatures
            ]
    return measured


def read_evaluation(folder: Path) -> Evaluation:
    """Read an evaluation and verify that its parts belong together.

    Raises:
        ArtifactError: missing, damaged, of another version or class order, or parts of different
            rows, weights or sizes.
    """
    header = open_artifact(folder, _KIND, folder.name)
    file = folder / "metrics.json"
    values = read_json(file)
    dev, test = read_recorded_logits(folder / "dev"), read_recorded_logits(folder / "test")
    table = read_table(folder / "sets.parquet", _SETS, _SETS_KIND)
    clusters = read_table(folder / "clusters.parquet", _CLUSTERS, _CLUSTERS_KIND)
    joined = dict(zip(clusters["sample_id"].tolist(), clusters["cluster_of"].tolist(), strict=True))
    try:
        measured, made_from = values["sets"], header.made_from
        for half, logits in (("dev", dev), ("test", test)):
            recorded = [made_from[name] for name in ("model", "preprocessing", f"{half} rows")]
            found = [logits.model_sha256, logits.preprocessing_hash, logits.rows_sha256]
            if found != recorded:
                raise ArtifactError(
                    "Logits and metrics of this evaluation are not of one model.",
                    where=folder / half,
                    found=found,
                    expected=recorded,
                )
        if table["sample_id"].tolist() != test.sample_ids:
            raise ArtifactError(
                "The rows of sets.parquet are not those of the test logits.", where=folder
            )
        members = [set(names) for names in table["sets"]]
        sets = {
            name: np.array([name in names for names in members])
            for name in measured
            if name not in _DEV
        }
        evaluation = Evaluation(
            header.key, values["kind"], dev, test, sets, measured, values["budget"], joined
        )
        for name, logits_of_set, _ in evaluation.each_set():
            counts = {
                len(logits_of_set),
                measured[name]["rows_expected"],
                measured[name]["rows_used"],
            }
            if len(counts) != 1:
                raise ArtifactError(
                    f"The set {name} was not measured in full.",
                    where=file,
                    found=sorted(counts),
                    expected="one number of rows",
                )
    except KeyError as error:
        raise ArtifactError("A key is missing.", where=file, expected=error.args[0]) from error
    return evaluation


def _each_set(
    dev: LogitsSet, test: LogitsSet, sets: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for name in _DEV:
        rows = dev.rows_of(name)
        yield name, dev.eval[rows], dev.labels[rows]
    for name, mask in sets.items():
        yield name, test.eval[mask], test.labels[mask]


def _check_one_network(dev: LogitsSet, test: LogitsSet, where: str) -> None:
    """Both halves are of the same weights and preprocessing."""
    for what in ("model_sha256", "preprocessing_hash"):
        if getattr(dev, what) != getattr(test, what):
            raise ArtifactError(
                f"Dev and test logits differ in their {what}.",
                where=where,
                found=getattr(test, what),
                expected=getattr(dev, what),
            )


def _check_sets(sets: Mapping[str, np.ndarray], count: int, where: str) -> None:
    if not sets:
        raise ArtifactError(
            "There is no named test set to evaluate.",
            where="params.yaml: sets",
            expected="one or more",
        )
    for name, mask in sets.items():
        if name in _DEV:
            raise ArtifactError(
                "A named test set has the name of a split.",
                where=f"params.yaml: sets.{name}",
                remedy="call it otherwise",
            )
        if mask.dtype != bool or mask.shape != (count,) or not mask.any():
            raise ArtifactError(
                f"The set {name} is empty or does not fit the test rows.",
                where=where,
                found=(mask.dtype, mask.shape),
                expected=("bool", count),
            )
