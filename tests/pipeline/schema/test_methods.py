"""Sections and options of methods."""

from typing import Any

import pytest

from fer_core.base.errors import ParamsError
from fer_core.pipeline.schema.check import check_params
from fer_core.pipeline.schema.methods import check_methods
from fer_core.pipeline.schema.sections import models_of
from tests.pipeline.schema.faults import PATH, Change, assert_told, params_after


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda p: p["student"].update(methods=["ce", "kdd"], kdd={}),
            ["student.methods", "kdd", "ce, dist, dkd, kd"],
        ),
        (lambda p: p["student"].update(kd=3), ["student.kd", "found: 3"]),
        (lambda p: p["student"].update(nkdd={"temperature": 1.0, "gamma": 1.0}), ["student.nkdd"]),
        (
            lambda p: p.update(teachers={}),
            ["student.methods", "there are none", "`teachers: {}`", "name teachers"],
        ),
    ],
)
def test_a_fault_is_named_by_its_key_and_by_what_was_found(change: Change, told: list[str]) -> None:
    assert_told(change, told)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"temprature": 3.0}, "student.kd.temprature"),
        ({"temperature": -2}, "student.kd.temperature"),
        ({"alpha": 7}, "student.kd.alpha"),
    ],
)
def test_options_of_methods_are_checked_key_by_key(options: dict[str, Any], told: str) -> None:
    params = params_after(lambda p: p["student"]["kd"].update(options))
    check_params(params, PATH)
    with pytest.raises(ParamsError, match=told.replace(".", r"\.")):
        check_methods(params, PATH)


def test_teachers_doubt_no_label_that_they_learned_from() -> None:
    params = params_after(lambda p: p["student"]["kd"].update(doubt={"least": 0.9}))
    with pytest.raises(ParamsError, match=r"student\.kd\.doubt[\s\S]*teacher\.folds: 0"):
        check_methods(params, PATH)
    params["teacher"]["folds"] = 2
    check_methods(params, PATH)


def test_sections_of_methods_that_are_not_trained_are_ignored_and_described() -> None:
    def change(params: dict[str, Any]) -> None:
        params["student"]["methods"] = ["ce"]
        params["deploy"]["student"] = "ce-1337"
        params["teachers"] = {}

    params = params_after(change)
    check_params(params, PATH)
    check_methods(params, PATH)
    assert "student.kd" in models_of(params)
