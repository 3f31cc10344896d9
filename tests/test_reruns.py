"""Which stages run again after a change of code: no more than the change can concern.

A stage reruns if a folder or file that `dvc.yaml` declares for it holds the changed file. What makes
the same bytes again stops there: DVC compares outs, so stages behind it do not run.
"""

from pathlib import Path

import pytest
import yaml

from fer_core.pipeline.dag.code import is_code
from tests.shipped import PIPELINE, ROOT

TRAININGS = {"teacher_a", "teacher_b", "teacher_fold", "student"}
NETWORKS = {
    *TRAININGS,
    "logits_dev",
    "logits_test",
    "predict",
    "onnx",
    "onnx_teacher",
    "robustness",
}
"""Stages that run a network on pictures, or train one."""
REPORTING = {"report", "datasheet"}


def reruns(changed: str, **item: str) -> set[str]:
    """Stages that a changed file concerns.

    Args:
        changed: path of the file.
        item: values of an item of a stage with several, for deps such as `${item.loss}`.
    """
    assert (ROOT / changed).exists(), changed
    found = set()
    for name, body in yaml.safe_load(PIPELINE)["stages"].items():
        for dep in body.get("do", body)["deps"]:
            for key, value in item.items():
                dep = dep.replace(f"${{item.{key}}}", value)
            if is_code(dep) and "${" not in dep and Path(changed).is_relative_to(dep):
                found.add(name)
    return found


def test_a_loss_trains_students_of_its_method_alone() -> None:
    kd = "fer_core/training/losses/kd.py"
    assert reruns(kd, loss="kd") == {"student"}
    assert reruns(kd, loss="ce") == set()


def test_a_reader_cleans_data_sets_of_its_layout_alone() -> None:
    reader = "fer_core/sources/layouts/expw.py"
    assert reruns(reader, layout="expw", origin=reader) == {"clean"}
    assert reruns(reader, layout="fer2013", origin="fer_core/sample") == set()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("fer_cli/predict/command.py", set()),  # a command's option
        ("fer_core/pipeline/running/plan.py", set()),  # how stages are run
        ("fer_core/base/errors.py", set()),  # a message
        ("fer_core/dataset/export/exporting.py", set()),  # an export of faces
        ("fer_core/training/adaptation/adaptation.py", set()),  # only with a section `adapt`
        ("fer_core/evaluation/adaptation/gate.py", set()),
        ("fer_core/training/crossval/crossval.py", set()),  # only with a section `crossval`
        ("fer_core/training/crossdata/rows.py", set()),  # only with a section `cross_dataset`
        ("fer_core/outside/answering/network.py", set()),  # only with a teacher from elsewhere
        ("fer_core/outside/described/taught.py", {"evaluate", "onnx", "report"}),
        ("fer_core/evaluation/crossdata/matrix.py", set()),
        # its words stand in the model card
        ("fer_core/evaluation/elsewhere/words.py", {"onnx", "report"}),
        ("fer_core/sample/render.py", set()),  # only for embedded samples, by item
        ("fer_core/report/templates/style.css", REPORTING),
        ("fer_core/export/latency/latency.py", {"latency", "report"}),
        ("fer_core/training/teachers/teacher.py", TRAININGS - {"student"}),
        ("fer_core/training/students/terms.py", {"student"}),
        ("fer_core/dataset/cleaning/nonfaces.py", {"clean"}),
        ("stages/evaluate.py", {"evaluate"}),
        ("fer_core/evaluation/robustness/corruptions.py", {"robustness"}),
        ("fer_core/evaluation/fairness/fairness.py", {"fairness"}),
        ("fer_core/evaluation/ambiguity/ambiguity.py", {"ambiguity"}),
        # its thresholds go into the exported file
        ("fer_core/evaluation/selective/curve.py", {"selective", "onnx"}),
    ],
)
def test_exactly_these_stages_run_again(changed: str, expected: set[str]) -> None:
    assert reruns(changed) == expected


@pytest.mark.parametrize(
    "changed",
    [
        "fer_core/evaluation/metrics/metrics.py",  # a new metric
        "fer_core/evaluation/calibration/calibrators.py",  # a method of calibration
        "fer_core/evaluation/ensemble/fusion.py",  # a way to fuse teachers
        "fer_core/evaluation/comparison/report.py",  # words of a verdict
        "fer_core/evaluation/boards/hard_cases.py",
        "fer_core/export/onnx/export.py",  # an option of the ONNX export
        "fer_core/export/card/licence.py",
        "fer_core/predict/predictor.py",
        "fer_core/sources/catalogue/official_counts.py",
        "fer_core/sources/files/archives.py",
        "fer_core/dataset/assembly/near_duplicates.py",  # the search for twins
        "fer_core/dataset/gate/validation.py",
        "fer_core/dataset/store/store.py",
        "fer_core/report/charts",
    ],
)
def test_nothing_is_trained_again(changed: str) -> None:
    assert not reruns(changed) & TRAININGS


def test_a_metric_runs_no_network() -> None:
    """`onnx` and `onnx_teacher` compare the exported files by metrics, and `robustness` measures
    one, so they do.
    """
    found = reruns("fer_core/evaluation/metrics/metrics.py")
    assert found & NETWORKS <= {"onnx", "onnx_teacher", "robustness"}


def test_what_trainings_share_trains_again() -> None:
    """The test above must be able to fail."""
    assert reruns("fer_core/training/loop/loop.py") == TRAININGS
    assert reruns("fer_core/images/augment.py") >= TRAININGS
