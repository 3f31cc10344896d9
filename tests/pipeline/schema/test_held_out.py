"""Cross-validation, and data sets left out."""

from typing import Any

import pytest

from fer_core.pipeline.schema.check import check_params
from tests.pipeline.schema.faults import PATH, Change, assert_told, params_after


def left_out(params: dict[str, Any], *sources: str, **options: Any) -> None:
    """Leave these data sets out, or all."""
    params["cross_dataset"] = {"left_out": list(sources) or "all", **options}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p.update(crossval={"folds": 1}), ["crossval.folds", "1"]),
        (lambda p: p.update(crossval={"folds": 5}), ["crossval", "kd", "teachers", "deploy"]),
        (
            lambda p: left_out(p, "sample_exwp"),
            ["cross_dataset.left_out", "sample_exwp", "sample_expw"],
        ),
        (lambda p: left_out(p, "sample_expw", "sample_expw"), ["cross_dataset.left_out", "once"]),
        (
            lambda p: left_out(p, method="kd"),
            ["cross_dataset.method", "kd", "teachers", "left out"],
        ),
        (lambda p: left_out(p, method="votes"), ["cross_dataset.method", "votes", "ce, kd, dkd"]),
        (
            lambda p: (
                left_out(p, method="more"),
                p["student"].update(
                    methods=["kd", "dkd", "ce", "more"],
                    more={"method": "ce", "label_smoothing": 0.0, "start": "ce"},
                ),
            ),
            ["cross_dataset.method", "more", "a student of ce, which has seen"],
        ),
        (
            lambda p: (left_out(p), p["student"].update(init="models/fer2013/model")),
            ["cross_dataset.method", "student.init", "may have seen"],
        ),
        (lambda p: left_out(p, seeds=9), ["cross_dataset.seeds", "9", "at most 3"]),
        (lambda p: left_out(p, rows=0), ["cross_dataset.rows", "0"]),
        (
            lambda p: (left_out(p, "sample_expw"), p["manifest"].update(eval_only=["sample_expw"])),
            ["cross_dataset.left_out", "sample_expw", "do not learn from"],
        ),
        (
            lambda p: (
                left_out(p, "sample_expw"),
                p["sets"].update(one={"split": ["train"], "sources": ["sample_expw"]}),
                p["student"].update(set="one"),
            ),
            ["cross_dataset.left_out", "set one", "empty", "sample_expw"],
        ),
        (
            lambda p: (
                left_out(p),
                p["manifest"].update(sources=["sample_expw", "None"]),
                p.update(sets={"test_all_sources": {}}),
            ),
            ["manifest.sources", "None", "leaves none out"],
        ),
    ],
)
def test_a_fault_is_named_by_its_key_and_by_what_was_found(change: Change, told: list[str]) -> None:
    assert_told(change, told)


def test_a_data_set_alone_and_a_section_without_names_are_no_faults() -> None:
    def alone(params: dict[str, Any]) -> None:
        left_out(params)
        params["manifest"].update(sources=["sample_expw"])
        params["sets"] = {"test_all_sources": {}}

    check_params(params_after(alone), PATH)
    check_params(params_after(lambda p: p.update(cross_dataset={})), PATH)
    check_params(params_after(lambda p: left_out(p, "sample_expw", "sample_rafdb")), PATH)
