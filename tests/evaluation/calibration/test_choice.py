from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from fer_core.base.errors import ArtifactError
from fer_core.dataset.pack.folds import stratified_group_folds
from fer_core.evaluation.calibration.calibrators import PerSource, Temperature
from fer_core.evaluation.calibration.choice import (
    CalibRows,
    FittedMethod,
    choose_calibrator,
    simplest_within_one_error,
)
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.evaluation.metrics.options import METHODS, CalibrationOptions, Method
from tests.arrange_logits import noisy_logits

OPTIONS = CalibrationOptions()
SHARES = [0.05, 0.04, 0.1, 0.4, 0.2, 0.13, 0.08]


def rows_of(count: int, seed: int = 0) -> CalibRows:
    """Calibrated logits of rows of two sources, every row a group of its own."""
    labels = np.random.default_rng(seed).choice(7, count, p=SHARES)
    sources = [("rafdb", "expw")[i % 2] for i in range(count)]
    ids = [f"{source}/{i:05d}.png" for i, source in enumerate(sources)]
    logits = noisy_logits(labels, seed + 1) + np.log(SHARES)
    return CalibRows(logits, labels, ids, sources, ids)


def fitted(excess: float | None, error: float | None) -> FittedMethod:
    return FittedMethod(Temperature(1.0), 1.0, excess, error, excess, error)


@pytest.mark.parametrize(
    ("excess", "chosen"),
    [
        (
            {"temperature": (0.01, 0.01), "bias_corrected": (0.0, 0.0), "vector": (0.005, 0.01)},
            "temperature",
        ),
        (
            {"temperature": (0.02, 0.01), "bias_corrected": (0.01, 0.01), "vector": (0.0, 0.0)},
            "bias_corrected",
        ),
        (
            {"temperature": (0.02, 0.01), "bias_corrected": (0.02, 0.01), "vector": (0.0, 0.0)},
            "vector",
        ),
        (
            {"temperature": (0.02, 0.01), "vector": (0.02, 0.01), "per_source": (0.0, 0.0)},
            "per_source",
        ),
        (
            {"per_source": (0.0, 0.0), "vector": (0.001, 0.01), "temperature": (0.02, 0.01)},
            "vector",
        ),
        ({"temperature": (None, None)}, "temperature"),
    ],
)
def test_the_simplest_within_one_error_of_the_best_wins(excess, chosen):
    assert (
        simplest_within_one_error({name: fitted(*values) for name, values in excess.items()})
        == chosen
    )


def test_logits_that_need_only_a_temperature_get_one():
    rows = rows_of(2000)
    assert choose_calibrator(replace(rows, logits=3 * rows.logits), OPTIONS).chosen == "temperature"


def test_logits_of_another_mix_of_classes_get_biases():
    rows = rows_of(2000)
    assert (
        choose_calibrator(replace(rows, logits=rows.logits - np.log(SHARES)), OPTIONS).chosen
        == "bias_corrected"
    )


def test_classes_of_different_scales_get_one_each():
    rows = rows_of(2000)
    assert (
        choose_calibrator(
            replace(rows, logits=rows.logits * [0.3, 2, 1, 0.5, 2, 0.5, 3]), OPTIONS
        ).chosen
        == "vector"
    )


def test_sources_of_different_scales_get_one_each_unless_that_is_not_among_the_methods():
    rows = rows_of(2000)
    mixed = replace(
        rows, logits=rows.logits * np.where(np.array(rows.sources) == "expw", 3.0, 1.0)[:, None]
    )
    choice = choose_calibrator(mixed, OPTIONS)
    assert choice.chosen == "per_source"
    found = choice.methods["per_source"].calibrator
    assert isinstance(found, PerSource)
    assert found.temperatures == pytest.approx({"rafdb": 1, "expw": 3}, rel=0.15)
    others: tuple[Method, ...] = ("temperature", "bias_corrected")
    assert set(choose_calibrator(mixed, CalibrationOptions(methods=others)).methods) == set(others)


def test_cross_validated_nll_is_of_rows_that_the_temperature_has_not_seen():
    rows = rows_of(600)
    logits = 4 * rows.logits
    fold = stratified_group_folds(rows.sample_ids, rows.labels, rows.groups, 3)
    nll = np.empty(600)
    for k in range(3):
        seen = fold != k

        def loss(log_t: float, seen: np.ndarray = seen) -> float:
            return log_loss(
                rows.labels[seen], softmax(logits[seen], np.exp(log_t)), labels=range(7)
            )

        temperature = np.exp(
            minimize_scalar(loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-9}).x
        )
        nll[~seen] = -np.log(
            softmax(logits[~seen], temperature)[np.arange((~seen).sum()), rows.labels[~seen]]
        )
    found = choose_calibrator(
        replace(rows, logits=logits), CalibrationOptions(methods=("temperature",), folds=3)
    ).methods["temperature"]
    assert found.cv_nll == pytest.approx(nll.mean(), abs=1e-6)
    assert found.cv_nll_se == pytest.approx(nll.std(ddof=1) / np.sqrt(600), abs=1e-6)
    assert (found.cv_excess, found.cv_excess_se) == (0, 0)


def test_excess_and_its_error_are_of_the_difference_to_the_best():
    rows = rows_of(2000)
    found = choose_calibrator(
        replace(rows, logits=rows.logits - 0.3 * np.log(SHARES)), OPTIONS
    ).methods
    best, worse = found["bias_corrected"], found["temperature"]
    assert best.cv_excess == best.cv_excess_se == 0
    assert (
        worse.cv_nll is not None
        and best.cv_nll is not None
        and worse.cv_excess_se is not None
        and worse.cv_nll_se is not None
    )
    assert worse.cv_excess == pytest.approx(worse.cv_nll - best.cv_nll, abs=2e-6)
    assert 0 < worse.cv_excess_se < 0.5 * worse.cv_nll_se


def test_copies_of_rows_in_one_group_do_not_narrow_the_error():
    rows = rows_of(600)
    twice = CalibRows(
        np.repeat(rows.logits, 2, axis=0),
        np.repeat(rows.labels, 2),
        [f"{name}#{face}" for name in rows.sample_ids for face in (1, 2)],
        np.repeat(rows.sources, 2).tolist(),
        np.repeat(rows.groups, 2).tolist(),
    )
    once, copied = (
        choose_calibrator(rows, OPTIONS).methods["temperature"],
        choose_calibrator(twice, OPTIONS).methods["temperature"],
    )
    assert copied.cv_nll_se == pytest.approx(once.cv_nll_se, rel=0.01)
    ungrouped = choose_calibrator(replace(twice, groups=twice.sample_ids), OPTIONS).methods[
        "temperature"
    ]
    assert ungrouped.cv_nll_se == pytest.approx(float(once.cv_nll_se or 0) / np.sqrt(2), rel=0.01)


def test_the_order_of_rows_plays_no_part():
    rows = rows_of(700)
    order = np.random.default_rng(1).permutation(700)
    shuffled = CalibRows(
        rows.logits[order],
        rows.labels[order],
        *([each[i] for i in order] for each in (rows.sample_ids, rows.sources, rows.groups)),
    )
    one, other = choose_calibrator(rows, OPTIONS), choose_calibrator(shuffled, OPTIONS)
    assert (one.chosen, one.folds) == (other.chosen, other.folds)
    for method in METHODS:
        assert one.methods[method].cv_nll == pytest.approx(other.methods[method].cv_nll, abs=2e-6)


def test_a_method_that_the_rows_do_not_determine_is_refused_with_its_reason():
    rows = rows_of(600)
    kept = np.flatnonzero(rows.labels != 1)
    few = CalibRows(
        rows.logits[kept],
        rows.labels[kept],
        *([each[i] for i in kept] for each in (rows.sample_ids, ["rafdb"] * 600, rows.groups)),
    )
    choice = choose_calibrator(few, OPTIONS)
    assert list(choice.methods) == ["temperature"]
    assert list(choice.refused) == ["bias_corrected", "vector", "per_source"]
    assert f"{len(kept)} rows, of Disgust only 0" in choice.refused["vector"]
    assert "several sources" in choice.refused["per_source"]


def test_a_method_that_needs_the_rows_of_one_fold_is_refused_naming_it():
    rows = rows_of(600)
    at = int(np.flatnonzero(rows.labels == 1)[0])
    kept = [i for i in range(600) if rows.labels[i] != 1 or i == at]
    rows.logits[at] = 0.0
    few = CalibRows(
        rows.logits[kept],
        rows.labels[kept],
        *([each[i] for i in kept] for each in (rows.sample_ids, rows.sources, rows.groups)),
    )
    choice = choose_calibrator(few, OPTIONS)
    fold = stratified_group_folds(few.sample_ids, few.labels, few.groups, 5)[kept.index(at)]
    assert f"Without fold {fold}:" in choice.refused["bias_corrected"]
    assert "bias_corrected" not in choice.methods


def test_a_single_error_gives_a_temperature_without_a_cross_validation():
    rows = rows_of(60)
    logits = 3 * np.eye(7)[rows.labels]
    logits[7] = np.roll(logits[7], 1)
    choice = choose_calibrator(replace(rows, logits=logits), OPTIONS)
    assert choice.chosen == "temperature"
    assert choice.methods["temperature"].cv_nll is None
    assert "Without fold" in choice.refused["temperature"]


def test_rows_that_no_temperature_fits_keep_their_logits_and_say_so():
    rows = rows_of(60)
    choice = choose_calibrator(replace(rows, logits=3 * np.eye(7)[rows.labels]), OPTIONS)
    assert choice.chosen == "temperature"
    assert choice.methods["temperature"].calibrator == Temperature(1.0)
    assert "0 of 60" in choice.refused["temperature"]


def test_few_groups_make_few_folds_and_a_single_one_is_an_error():
    rows = rows_of(60)
    assert choose_calibrator(replace(rows, groups=["a", "b"] * 30), OPTIONS).folds == 2
    with pytest.raises(ArtifactError, match="fewer folds"):
        choose_calibrator(replace(rows, groups=["a"] * 60), OPTIONS)


@pytest.mark.parametrize(
    "values",
    [
        {"methods": ["vector"]},
        {"methods": ["temperature", "temperature"]},
        {"methods": ["temperature", "beta"]},
        {"folds": 1},
    ],
    ids=str,
)
def test_options_without_sense_are_refused(values):
    with pytest.raises(ValueError, match=r"methods|folds"):
        CalibrationOptions(**values)


def test_copies_of_a_row_make_no_error_smaller():
    """Every picture three times, as one group each: the same scores, and the same standard errors
    as once; as rows of their own they would seem to be known better.
    """
    once = rows_of(400)
    thrice = CalibRows(
        np.repeat(once.logits, 3, axis=0),
        np.repeat(once.labels, 3),
        [f"{name}{copy}" for name in once.sample_ids for copy in range(3)],
        [source for source in once.sources for _ in range(3)],
        [name for name in once.groups for _ in range(3)],
    )
    alone, copied = (choose_calibrator(rows, OPTIONS).methods for rows in (once, thrice))
    apart = choose_calibrator(replace(thrice, groups=thrice.sample_ids), OPTIONS).methods
    for method, one in copied.items():
        assert one.cv_nll == pytest.approx(alone[method].cv_nll, abs=0.02)
        assert one.cv_nll_se == pytest.approx(alone[method].cv_nll_se, rel=0.05)
        assert apart[method].cv_nll_se < 0.65 * one.cv_nll_se
