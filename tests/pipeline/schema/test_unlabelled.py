"""Faces without labels in a parameter file."""

import pytest

from tests.pipeline.schema.faults import Change, assert_told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p["student"].update(unlabelled={"sources": []}), ["student.unlabelled.sources"]),
        (
            lambda p: p["student"].update(unlabelled={"sources": ["a"], "min_confidence": 1.0}),
            ["student.unlabelled.min_confidence", "1.0"],
        ),
        (
            lambda p: p["student"].update(unlabelled={"sources": ["a"], "methods": ["kd", "ce"]}),
            ["student.unlabelled.methods", "ce", "kd, dkd"],
        ),
        (
            lambda p: (
                p["student"].update(unlabelled={"sources": ["a"]}, methods=["ce"]),
                p["deploy"].update(student="ce-1337"),
            ),
            ["teach nobody", "student.unlabelled", "kd"],
        ),
    ],
)
def test_a_fault_is_named_by_its_key_and_by_what_was_found(change: Change, told: list[str]) -> None:
    assert_told(change, told)
