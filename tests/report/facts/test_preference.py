from dataclasses import replace

import pytest

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation, evaluate_logits
from fer_core.report.facts.preference import val_preference
from tests.arrange_logits import logits_set, rows_of

OPTIONS = EvaluationOptions.model_validate(
    {"bootstrap": 200, "bins": 15, "compare_set": "everything"}
)
DEV, TEST = rows_of({"val": 700, "calib": 70}), rows_of({"test": 700})


def student(key: str, val_skill: float, test_skill: float, seed: int = 1) -> Evaluation:
    dev = logits_set(DEV, ("val", "calib"), seed, model=key, dtype="float32", skill=val_skill)
    test = logits_set(TEST, ("test",), seed, model=key, dtype="float32", skill=test_skill)
    val = dev.rows_of("val")
    metrics = {"val": evaluate_logits(dev.eval[val], dev.labels[val], OPTIONS, 0)}
    return Evaluation(key, "student", dev, test, {}, metrics, {})


def test_better_student_on_val_rows_is_named_with_its_lead() -> None:
    students = {"kd-1": student("kd-1", 1.0, 1.9), "dkd-1": student("dkd-1", 1.5, 0.9, seed=2)}
    found = val_preference(students, "kd-1", OPTIONS, 7)
    assert (found.preferred, found.rows, list(found.macro_f1)) == ("dkd-1", 700, ["dkd-1", "kd-1"])
    assert found.lead is not None and found.lead.low > 0
    assert found.lead.value == pytest.approx(
        found.macro_f1["dkd-1"] - found.macro_f1["kd-1"], abs=1e-6
    )
    assert (
        found.warning is not None
        and "prefer dkd-1 to the deployed kd-1" in found.warning
        and "beyond chance" in found.warning
    )


def test_test_rows_have_no_say_and_the_best_on_val_gives_no_warning() -> None:
    students = {"kd-1": student("kd-1", 1.0, 1.9), "dkd-1": student("dkd-1", 1.5, 0.9, seed=2)}
    assert val_preference(students, "dkd-1", OPTIONS, 7).warning is None


def test_a_lead_that_chance_explains_is_told_as_such() -> None:
    students = {"kd-1": student("kd-1", 1.4, 1), "ce-1": student("ce-1", 1.4, 1, seed=2)}
    behind = min(
        students, key=lambda key: students[key].metrics["val"]["metrics"]["macro_f1"]["value"]
    )
    found = val_preference(students, behind, OPTIONS, 7)
    assert found.warning is not None and "within chance" in found.warning


def test_equal_students_leave_the_choice_as_it_is() -> None:
    first = student("a-1", 1.4, 1)
    assert (
        val_preference({"a-1": first, "b-1": replace(first, key="b-1")}, "a-1", OPTIONS, 7).warning
        is None
    )


def test_a_student_without_evaluation_is_refused() -> None:
    with pytest.raises(ArtifactError, match="not evaluated"):
        val_preference({"a-1": student("a-1", 1.4, 1)}, "b-1", OPTIONS, 7)
