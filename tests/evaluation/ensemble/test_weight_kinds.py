import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.calibration.calibration import fit_temperature
from fer_core.evaluation.ensemble.fusion import EnsembleOptions, fuse
from fer_core.evaluation.ensemble.kinds import (
    SourceWeights,
    WeightsByClass,
    WeightsBySource,
    class_weights,
    fit_per_class,
    fit_per_source,
)
from fer_core.evaluation.metrics.metrics import measure, outcome_of, softmax
from tests.arrange_logits import noisy_logits

OPTIONS = EnsembleOptions(spaces=["logit"], step=0.5, objective="nll")
LABELS = np.random.default_rng(0).integers(0, 7, 1400)
TEACHERS = {"a": noisy_logits(LABELS, 1, 1.3), "b": noisy_logits(LABELS, 2, 1.1)}
SAME = SourceWeights({"a": 0.5, "b": 0.5}, 1.0)

spaces = pytest.mark.parametrize("space", ["prob", "logit"])


def test_weights_of_two_teachers_are_as_the_roots_of_their_f1():
    weights = class_weights(np.array([[0.81] * 7, [0.36] * 7]))
    np.testing.assert_allclose(weights, [[0.6] * 7, [0.4] * 7])
    assert class_weights(np.zeros((4, 7))).tolist() == [[0.25] * 7] * 4


@spaces
def test_class_weights_come_from_f1_and_the_fused_temperature_is_the_best(space):
    found = fit_per_class(TEACHERS, LABELS, space)
    f1 = np.array([f1_score(LABELS, z.argmax(1), average=None) for z in TEACHERS.values()])
    np.testing.assert_allclose(
        np.array(list(found.weights.values())), np.sqrt(f1) / np.sqrt(f1).sum(0), rtol=1e-5
    )
    fused = found.fused(TEACHERS, ())
    assert fit_temperature(fused, LABELS).temperature == pytest.approx(1, abs=1e-4)


@spaces
def test_weights_equal_for_every_class_are_plain_fusion(space):
    kind = WeightsByClass(space, {"a": [0.7] * 7, "b": [0.3] * 7}, 2.0)
    expected = softmax(fuse(list(TEACHERS.values()), [0.7, 0.3], space) / 2)
    np.testing.assert_allclose(softmax(kind.fused(TEACHERS, ())), expected, atol=1e-12)


@spaces
@given(shift=st.floats(-50, 50))
def test_a_constant_added_to_a_teachers_logits_changes_nothing(space, shift):
    kind = WeightsByClass(
        space,
        {"a": [0.9, 0.1, 0.5, 0.5, 0.2, 0.3, 0.4], "b": [0.1, 0.9, 0.5, 0.5, 0.8, 0.7, 0.6]},
        1.5,
    )
    moved = {"a": TEACHERS["a"] + shift, "b": TEACHERS["b"]}
    np.testing.assert_allclose(kind.fused(moved, ()), kind.fused(TEACHERS, ()), atol=1e-9)


def two_sources() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Teacher a knows the source raf, teacher b the source expw; 20 rows are of a third."""
    sources = np.array(["raf"] * 690 + ["expw"] * 690 + ["few"] * 20, dtype=object)
    noise = np.random.default_rng(9).normal(size=(2, 1400, 7))
    a = np.where((sources == "expw")[:, None], noise[0], TEACHERS["a"])
    b = np.where((sources == "raf")[:, None], noise[1], TEACHERS["b"])
    return {"a": a, "b": b}, sources


def test_each_source_gets_the_teacher_that_knows_it_and_a_small_one_the_global_weights():
    teachers, sources = two_sources()
    found = fit_per_source(teachers, LABELS, sources, SAME, "logit", OPTIONS, 15)
    assert found.sources["raf"].weights == {"a": 1, "b": 0}
    assert found.sources["expw"].weights == {"a": 0, "b": 1}
    assert found.fallback == {"few": "20 calib rows, expected 200 or more"}
    fused = found.fused(teachers, sources)
    everywhere = fuse(list(teachers.values()), [0.5, 0.5], "logit")
    assert (
        measure(outcome_of(fused, LABELS, 15))["nll"]
        < measure(outcome_of(everywhere, LABELS, 15))["nll"] - 0.1
    )
    np.testing.assert_array_equal(fused[-20:], everywhere[-20:])


def test_rows_of_an_unknown_source_get_the_global_weights_and_order_does_not_matter():
    kind = WeightsBySource("logit", {"raf": SourceWeights({"a": 1.0, "b": 0.0}, 2.0)}, SAME, {})
    rows = {tag: z[:4] for tag, z in TEACHERS.items()}
    found = kind.fused(rows, ["raf", "new", "raf", "newer"])
    np.testing.assert_allclose(found[[0, 2]], rows["a"][[0, 2]] / 2)
    np.testing.assert_allclose(found[[1, 3]], (rows["a"] + rows["b"])[[1, 3]] / 2)
    with pytest.raises(ArtifactError, match="source of each row"):
        kind.fused(rows, ["raf"])


def test_a_source_without_a_best_temperature_gets_the_global_weights():
    sure = {tag: 5.0 * np.eye(7)[LABELS] for tag in TEACHERS}
    found = fit_per_source(sure, LABELS, ["raf"] * 1400, SAME, "logit", OPTIONS, 15)
    assert found.sources == {}
    assert "no temperature" in found.fallback["raf"]
