"""Named sets: asked for, declared, packed."""

from copy import deepcopy
from typing import Any

import pytest

from fer_core.base.errors import ParamsError
from fer_core.pipeline.schema.check import check_params
from tests.pipeline.schema.faults import PATH, Change, assert_told, params_after


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda p: p["pack"].update(train_sets=["nope"]),
            ["No named set of train rows", "nope", "split: [train]"],
        ),
        (
            lambda p: (
                p["sets"].update(hq={"split": ["train"]}, few={"split": ["train"]}),
                p["pack"].update(train_sets=["hq"]),
                p["teacher"].update(set="hq"),
                p["student"].update(set="few"),
            ),
            ["student.set", "few", "pack.train_sets: hq"],
        ),
        (
            lambda p: (
                p["sets"].update(hq={"split": ["train"]}),
                p["pack"].update(train_sets=["hq"]),
            ),
            ["teacher.set", "all train rows", "pack.train_sets: hq"],
        ),
        (lambda p: p["sets"].update({"val": {}}), ["sets", "val", "rename"]),
        (
            lambda p: p["sets"].update(real={"sources": ["fer2013"]}),
            ["sets.real.sources", "fer2013", "manifest.sources"],
        ),
        (
            lambda p: p["sets"].update(real={"without": ["fer2013"]}),
            ["sets.real.without", "found: fer2013", "manifest.sources", "correct the name"],
        ),
        (
            lambda p: p["sets"].update(none={"without": list(p["manifest"]["sources"])}),
            ["leaves all of its data sets out", "sets.none.without", "leave fewer out"],
        ),
        (
            lambda p: p["sets"].update(
                none={"sources": ["sample_expw"], "without": ["sample_expw"]}
            ),
            ["leaves all of its data sets out", "fewer than all of sample_expw"],
        ),
        (
            lambda p: p["evaluation"].update(compare_set="nope"),
            ["evaluation.compare_set", "nope", "test_all_sources"],
        ),
        (
            lambda p: (
                p["sets"].update(hard={"split": ["val"]}),
                p["evaluation"].update(compare_set="hard"),
            ),
            ["compare_set", "hard"],
        ),
    ],
)
def test_a_fault_is_named_by_its_key_and_by_what_was_found(change: Change, told: list[str]) -> None:
    assert_told(change, told)


def test_each_name_of_a_list_of_sets_to_compare_on_is_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the section's model takes: one name or several."""
    params = params_after(
        lambda p: p["evaluation"].update(compare_set=["test_all_sources", "nope"])
    )
    with pytest.raises(ParamsError, match=r"compare_set[\s\S]*nope"):
        check_params(params, PATH)


def test_train_sets_are_asked_for_by_sections_that_something_is_trained_by() -> None:
    def pack_some(params: dict[str, Any]) -> None:
        params["sets"]["hq"] = {"split": ["train"]}
        params["pack"]["train_sets"] = ["hq"]
        params["student"]["set"] = "hq"
        of_a = {name: deepcopy(params["teacher"][name]) for name in ("train", "arcface")}
        params["teacher_b"] = of_a | {"preprocessing": {"size": 48}}

    def no_teachers(params: dict[str, Any]) -> None:
        pack_some(params)
        params["teachers"] = {}
        params["student"]["methods"] = ["ce"]
        params["deploy"]["student"] = "ce-1337"

    def none_in_stage_b(params: dict[str, Any]) -> None:
        pack_some(params)
        params["teacher"]["set"] = "hq"

    def one_in_stage_b(params: dict[str, Any]) -> None:
        none_in_stage_b(params)
        params["teachers"]["tiny_resnet"]["stage"] = "b"

    check_params(params_after(no_teachers), PATH)
    check_params(params_after(none_in_stage_b), PATH)
    with pytest.raises(ParamsError, match=r"teacher_b\.set"):
        check_params(params_after(one_in_stage_b), PATH)
