"""`fer run --estimate`: what stages took before, what images take at a known speed, and a guess."""

from pathlib import Path
from typing import Any

import pytest

from fer_core.base.files import write_json
from fer_core.base.params import read_params
from fer_core.models.networks.backbone import build_classifier
from fer_core.pipeline.running.estimate import TIMES, estimate, note_times
from fer_core.pipeline.running.machine import Machine
from fer_core.pipeline.running.plan import Plan, plan_of
from fer_core.pipeline.running.trainings import measured_speed, train_images
from fer_core.training.loop.footprint import training_bytes
from fer_core.training.loop.options import StudentTrainOptions
from tests.shipped import SAMPLE

UPSTREAM: dict[str, set[str]] = {
    "pack": set(),
    "student@ce-1337": {"pack"},
    "student@kd-1337": {"pack"},
    "predict@kd-1337": {"student@kd-1337"},
    "report": {"student@ce-1337", "predict@kd-1337"},
}
ONE, TWO = Machine(1, 2, ()), Machine(2, 2, ())


def gate(sources: list[str], train: int) -> None:
    """What the last gate said."""
    counts = {"by_source": dict.fromkeys(sources, 1)}
    report = {"rows_by_split": {"train": train}, "counts": counts}
    write_json(Path("data/validation.json"), report)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    found = read_params(SAMPLE)
    gate(found["manifest"]["sources"], 1000)
    for section, epochs in (("teacher", 14), ("student", 10)):
        found[section]["train"]["epochs"] = epochs
    return found


@pytest.fixture
def plan() -> Plan:
    return plan_of(UPSTREAM, UPSTREAM, UPSTREAM)


def test_images_of_a_training_are_its_rows_times_its_epochs(params: dict[str, Any]) -> None:
    params["teachers"]["tiny_resnet"]["a"] = {"train": {"epochs": 3}}
    assert train_images("student@ce-1337", params) == 10_000
    assert train_images("teacher_a@tiny_effnet", params) == 14_000
    assert train_images("teacher_a@tiny_resnet", params) == 3_000
    assert train_images("pack", params) is None


def test_the_gate_of_other_data_sets_says_nothing_of_these(params: dict[str, Any]) -> None:
    """After `fer profile use custom` the sample's rows are not one's own."""
    params["manifest"]["sources"] = ["custom", "drawn", "gone"]
    for name, values in {
        "custom": {"present": True, "files": 84},
        "drawn": {"present": True, "sample": {"faces": 16}},
        "gone": {"present": False, "files": 5000},
        "unlisted": {"present": True, "files": 7000},
    }.items():
        write_json(Path(f"data/sources/{name}.json"), values)
    assert train_images("student@ce-1337", params) == 10 * 100
    gate(params["manifest"]["sources"], 43)
    assert train_images("student@ce-1337", params) == 10 * 43


def test_a_fold_s_teacher_walks_through_the_other_folds_at_its_own_last_speed(
    params: dict[str, Any],
) -> None:
    params["teacher"]["folds"] = 4
    params["teachers"]["tiny_resnet"]["stage"] = "b"
    params["teacher_b"] = {"train": {"epochs": 5}, "preprocessing": {"size": 64}}
    first, second = (f"teacher_fold@tiny_resnet-{stage}-3" for stage in "ab")
    assert train_images(first, params) == 14 * 750
    assert train_images(second, params) == 5 * 750
    for stage, speed in (("a", 70), ("b", 25)):
        log = Path(f"data/teachers/tiny_resnet/folds/{stage}/3/log/environment.json")
        write_json(log, {"images_per_second": speed})
    graph: dict[str, set[str]] = {first: set(), second: {first}}
    found = estimate(plan_of(graph, graph, graph), params, ONE, lambda stage: True, unmeasured)
    assert dict(found.longest) == pytest.approx({first: 8 + 150, second: 8 + 150})


def unmeasured(*of: object) -> float:
    raise AssertionError("the speed of the last run is known")


def test_trainings_go_at_their_last_speed_and_other_stages_take_what_they_took(
    params: dict[str, Any], plan: Plan
) -> None:
    for key, speed in (("ce-1337", 100), ("kd-1337", 200)):
        log = {"images_per_second": speed, "seconds": 1}
        write_json(Path(f"data/students/{key}/log/environment.json"), log)
    taken = dict.fromkeys(("pack", "report", "predict@kd-1337"), (10.0, 500000000.0))
    note_times(params, taken)
    lock = "stages:\n  pack:\n    outs:\n    - {path: data/pack, size: 7000}\n"
    Path("dvc.lock").write_text(lock)
    found = estimate(plan, params, ONE, lambda _: True)
    assert dict(found.longest)["student@ce-1337"] == pytest.approx(108)
    assert dict(found.longest)["student@kd-1337"] == pytest.approx(58)
    assert found.seconds == pytest.approx(10 + 108 + 58 + 10 + 10) and not found.guessed
    both = estimate(plan, params, TWO, lambda _: True)
    assert both.seconds == pytest.approx(10 + 108 + 10)
    options = StudentTrainOptions.model_validate(params["student"]["train"])
    network = training_bytes(build_classifier("test_resnet", 40), 40, options)
    assert both.memory == pytest.approx(2 * (1.2e9 + network)) and both.disk >= 7000


def test_a_stage_has_its_own_size_its_own_epochs_and_the_rows_of_its_set(
    params: dict[str, Any],
) -> None:
    params |= {"sets": {"few": {"split": ["train"], "most_per_class": 20}}}
    params["teacher_b"] = {"set": "few", "preprocessing": {"size": 96}, "train": {"epochs": 2}}
    params["teachers"]["tiny_resnet"] |= {"stage": "b", "b": {"train": {"epochs": 5}}}
    params["student"]["kd"]["extra_epochs"] = 3
    assert train_images("teacher_b@tiny_resnet", params) == 5 * 7 * 20
    assert train_images("student@kd-1337", params) == 3000
    asked = []

    def measure(*of: Any) -> float:
        asked.append(of)
        return 50.0

    plan = plan_of(*3 * [{"teacher_b@tiny_resnet": set(), "logits_dev@tiny_resnet": set()}])
    estimate(plan, params, ONE, lambda _: False, measure)
    assert asked == [("test_resnet", 96, 32, 2)], "of the training and of its logits"


def test_without_a_history_the_network_is_measured_once_and_the_rest_is_guessed(
    params: dict[str, Any], plan: Plan
) -> None:
    asked = []

    def measure(*of: Any) -> float:
        asked.append(of)
        return 50.0

    found = estimate(plan, params, TWO, lambda _: True, measure)
    assert asked == [("test_resnet", 40, 32, 1)]
    assert dict(found.longest)["student@ce-1337"] == pytest.approx(208)
    assert set(found.guessed) == {"pack", "report", "predict@kd-1337"}


def test_a_cross_validation_is_a_training_for_each_part_and_method_of_the_chain(
    params: dict[str, Any],
) -> None:
    params["crossval"] = {"folds": 4}
    params["student"] |= {"methods": ["ce", "kd", "whole"], "whole": {"start": "ce"}}
    params["student"]["whole"]["extra_epochs"] = 3
    for key, epochs in (("ce-1337", 10), ("whole-1337", 10 + 3)):
        graph: dict[str, set[str]] = {f"crossval@{key}": set()}
        plan = plan_of(graph, graph, graph)
        found = estimate(plan, params, ONE, lambda _: True, lambda *_: 100.0)
        assert found.seconds == pytest.approx(8 + 4 * 1000 * epochs / 100)


def test_a_training_without_a_data_set_is_a_training(params: dict[str, Any]) -> None:
    graph: dict[str, set[str]] = {"cross_dataset@none-1337": set()}
    plan = plan_of(graph, graph, graph)
    for section, epochs in (({"left_out": "all"}, 10), ({"left_out": "all", "epochs": 30}, 30)):
        params["cross_dataset"] = section
        found = estimate(plan, params, ONE, lambda _: True, lambda *_: 100.0)
        assert found.seconds == pytest.approx(8 + 1000 * epochs / 100)


def test_a_network_is_measured_in_a_moment(params: dict[str, Any]) -> None:
    assert measured_speed("test_resnet", 32, 8, 1) > 1


def test_a_damaged_history_is_no_history(params: dict[str, Any], plan: Plan) -> None:
    TIMES.write_text("{")
    assert estimate(plan, params, ONE, lambda _: False, lambda *_: 1e3).guessed
