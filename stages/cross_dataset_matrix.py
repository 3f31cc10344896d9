"""Join the trainings that left a data set out into a matrix: what was left out, what was tested on.

Reads the answers of all of them, the test rows and the manifest; writes
`metrics/cross_dataset.json`. Where there is one data set only, that is a note in the file.
"""

import logging
from typing import Any

import numpy as np

from fer_core.base import paths
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from fer_core.base.params import Params
from fer_core.dataset.manifest.table import read_clusters
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.crossdata.matrix import MatrixRows, measure_matrix
from fer_core.evaluation.elsewhere.words import cross_dataset_words
from fer_core.evaluation.metrics.clusters import cluster_codes
from fer_core.evaluation.metrics.deployed import refused
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.logits.store import read_logits
from fer_core.training.crossdata.options import CrossDatasetOptions, trainings_of
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main() -> None:
    """Measure the trainings that params.yaml asks for, each against the one that left none out."""
    params = Params.load()
    options = params.section("cross_dataset", CrossDatasetOptions)
    evaluation, seed = params.section("evaluation", EvaluationOptions), params.section("seed", int)
    dev, test = read_rows(paths.DEV), read_rows(paths.TEST)
    trainings = trainings_of(params.values)
    records = {key: read_json(paths.CROSS_DATASET / key / "record.json") for key in trainings}
    found: dict[str, Any] = {"dev_rows_sha256": dev.sha256, "test_rows_sha256": test.sha256}
    if trainings:
        _check_one_run(records, found)
        answers: dict[str, list[np.ndarray]] = {}
        for key, (left_out, _) in trainings.items():
            if "reason" not in records[key]:
                logits = read_logits(paths.CROSS_DATASET / key / "answers", test, key).eval
                answers.setdefault(left_out, []).append(logits)
        clusters = cluster_codes(test.sample_ids, read_clusters(paths.MANIFEST, test.sample_ids))
        sources = test.frame["source"].to_numpy(dtype=object)
        tested = MatrixRows(test.labels.astype(np.int64), sources, clusters)
        told = {key: _without(record, found) for key, record in records.items()}
        cells = measure_matrix(tested, answers, options.rows, evaluation, seed)
        found |= {"seeds": len(answers[paths.NONE_LEFT_OUT]), "trainings": told, "cells": cells}
    else:
        found |= refused(len(test), "there is only one data set to learn from")
    write_json(paths.METRICS / "cross_dataset.json", found)
    log.info("%s", cross_dataset_words(found))


def _without(record: dict[str, Any], rows: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in rows}


def _check_one_run(records: dict[str, dict[str, Any]], rows: dict[str, str]) -> None:
    """All trainings must be of these rows, and alike in all but seed and data set left out."""
    first = next(iter(records.values()))
    for key, record in records.items():
        alike = () if "reason" in record else ("method", "init_sha256", "steps")
        found = {name: record[name] for name in (*rows, *alike)}
        expected = rows | {name: first[name] for name in alike}
        if found != expected:
            raise ArtifactError(
                "Trainings that are compared differ in more than the data set left out.",
                where=paths.CROSS_DATASET / key / "record.json",
                found=found,
                expected=expected,
                remedy="run `fer run cross_dataset` to train them again",
            )


if __name__ == "__main__":
    run_stage(main)
