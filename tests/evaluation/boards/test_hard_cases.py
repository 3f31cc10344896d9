"""Hard val rows, from distributions typed by hand."""

import dataclasses

import numpy as np
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import CLASSES
from fer_core.evaluation.boards.hard_cases import (
    REASONS,
    HardCaseOptions,
    find_hard_cases,
    read_hard_cases,
    scores_on,
    write_hard_cases,
)
from fer_core.evaluation.ensemble.choosing import choose_ensemble
from fer_core.evaluation.ensemble.ensemble import Ensemble
from fer_core.evaluation.ensemble.fusion import EnsembleOptions
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.logits.store import LogitsSet
from tests.arrange_logits import DEV, logits_set, rows_of

OPTIONS = HardCaseOptions(share=0.2, pairs=2)
MEASURED = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, LogitsSet], Ensemble]:
    rows = rows_of(DEV)
    dev = {
        tag: logits_set(rows, ("train", "val", "calib"), seed, model=tag, skill=1.2)
        for seed, tag in enumerate(("rn18", "b3"))
    }
    calib = {tag: logits.only("calib") for tag, logits in dev.items()}
    return dev, choose_ensemble(
        calib, EnsembleOptions(spaces=["prob"], step=0.5, objective="nll"), bins=15
    )[0]


def test_the_rows_of_least_margin_and_most_divergence_are_chosen(made):
    dev, ensemble = made
    cases = find_hard_cases(dev, ensemble, OPTIONS)
    val = dev["rn18"].rows_of("val")
    p = softmax(ensemble.fused({tag: logits.eval[val] for tag, logits in dev.items()}))
    top = np.sort(p, axis=1)
    np.testing.assert_allclose(cases.table["margin"], top[:, -1] - top[:, -2], atol=1e-6)
    assert set(np.flatnonzero(cases.table["low_margin"])) == set(
        np.argsort(top[:, -1] - top[:, -2])[:14]
    )
    a, b = (
        softmax(dev[tag].eval[val].astype(float) / ensemble.temperatures[tag])
        for tag in ensemble.teachers
    )
    mean = (a + b) / 2
    js = (
        (a * np.log(a / mean)).sum(axis=1) + (b * np.log(b / mean)).sum(axis=1)
    ) / 2  # the usual form, by two divergences
    np.testing.assert_allclose(cases.table["divergence"], js, atol=1e-6)
    assert set(np.flatnonzero(cases.table["disagreement"])) == set(np.argsort(-js)[:14])
    assert cases.hard.sum() == cases.table[list(REASONS)].any(axis=1).sum() < len(val)


def test_confusable_rows_are_of_the_most_confused_pairs(made):
    dev, ensemble = made
    cases = find_hard_cases(dev, ensemble, OPTIONS)
    table = cases.table
    counts = {}
    for label, first in zip(table["label"], table["first"], strict=True):
        if label != first:
            key = tuple(sorted((int(label), int(first))))
            counts[key] = counts.get(key, 0) + 1
    assert cases.pairs[0][2] == max(counts.values())
    named = {frozenset(pair[:2]) for pair in cases.pairs}
    for row in table[table["confusable"]].itertuples():
        assert frozenset((CLASSES[row.first], CLASSES[row.second])) in named
    assert (
        not find_hard_cases(dev, ensemble, HardCaseOptions(share=0.2, pairs=0))
        .table["confusable"]
        .any()
    )


def test_a_surer_teacher_makes_its_row_easy(made):
    dev, ensemble = made
    before = find_hard_cases(dev, ensemble, OPTIONS)
    row = int(np.flatnonzero(before.table["low_margin"])[0])
    place = dev["rn18"].rows_of("val")[row]
    surer = {}
    for tag, logits in dev.items():
        values = logits.eval.copy()
        values[place] = np.eye(7)[0] * 40
        surer[tag] = dataclasses.replace(logits, eval=values)
    after = find_hard_cases(surer, ensemble, OPTIONS)
    assert not after.table["low_margin"][row] and not after.hard[row]


def test_scores_are_of_the_hard_rows_and_other_rows_are_refused(made):
    dev, ensemble = made
    cases = find_hard_cases(dev, ensemble, OPTIONS)
    val = dev["rn18"].only("val")
    scores = scores_on(
        cases, {"rn18": (val.sample_ids, val.eval.astype(float), val.labels)}, MEASURED, seed=1
    )["rn18"]
    right = val.eval.argmax(axis=1) == val.labels
    hard, everything = (scores[part]["metrics"]["accuracy"] for part in ("hard", "all"))
    assert hard["value"] == pytest.approx(right[cases.hard].mean(), abs=1e-6)
    assert everything["value"] == pytest.approx(right.mean(), abs=1e-6)
    assert hard["value"] < right.mean()
    assert (
        hard["low"] < hard["value"] < hard["high"]
        and hard["high"] - hard["low"] > everything["high"] - everything["low"]
    )
    with pytest.raises(ArtifactError, match="other val rows"):
        scores_on(
            cases,
            {"x": (val.sample_ids[::-1], val.eval.astype(float), val.labels)},
            MEASURED,
            seed=1,
        )


def test_rows_of_one_group_are_drawn_together(made):
    """Rows that are right are of ten groups, the others of ten more: fewer things to draw."""
    dev, ensemble = made
    cases, val = find_hard_cases(dev, ensemble, OPTIONS), dev["rn18"].only("val")
    right = val.eval.argmax(axis=1) == val.labels
    cluster_of = {key: f"{right[i]} {i % 10}" for i, key in enumerate(val.sample_ids)}
    models = {"rn18": (val.sample_ids, val.eval.astype(float), val.labels)}
    alone, grouped = (
        scores_on(cases, models, MEASURED, 1, of)["rn18"]["all"]["metrics"]["accuracy"]
        for of in (None, cluster_of)
    )
    assert grouped["value"] == alone["value"]
    assert grouped["high"] - grouped["low"] > 1.2 * (alone["high"] - alone["low"])


def test_files_are_the_same_each_time_and_read_back(made, tmp_path):
    dev, ensemble = made
    for name in ("a", "b"):
        write_hard_cases(tmp_path / name, find_hard_cases(dev, ensemble, OPTIONS), {})
    assert (tmp_path / "a/hard_cases.parquet").read_bytes() == (
        tmp_path / "b/hard_cases.parquet"
    ).read_bytes()
    table, summary, rows_sha256 = read_hard_cases(tmp_path / "a")
    assert rows_sha256 == ensemble.rows_sha256
    assert (
        summary.hard_rows
        == int(table[list(REASONS)].any(axis=1).sum())
        == sum(summary.by_class.values())
    )
    assert summary.val_rows == 70


def test_an_ensemble_of_other_rows_is_refused(made):
    dev, ensemble = made
    with pytest.raises(ArtifactError, match="other teachers or rows"):
        find_hard_cases(dev, dataclasses.replace(ensemble, rows_sha256="0" * 64), OPTIONS)
