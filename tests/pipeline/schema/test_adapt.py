"""The section adapt, and labels that a session gives itself."""

import pytest

from fer_core.base.params import read_params
from tests.pipeline.schema.faults import ROOT, Change, assert_told

ADAPT = read_params(ROOT / "profiles" / "webcam.yaml")["adapt"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p.update(adapt=ADAPT), ["adapt.sources", "webcam", "sample_expw"]),
        (
            lambda p: p.update(adapt=ADAPT | {"sources": ["sample_expw"], "sets": ["nope"]}),
            ["adapt.sets", "nope", "test_all_sources"],
        ),
        (lambda p: p.update(adapt=ADAPT | {"mode": "all"}), ["adapt.mode", "all"]),
        (
            lambda p: (
                p.update(adapt=ADAPT | {"sources": ["sample_expw"]}),
                p["clean"].update(webcam_session={"self_label": {"sure": 0.8}}),
            ),
            ["Self-labelled", "sample_expw", "teacher.set"],
        ),
        (
            lambda p: p["clean"].update(webcam_session={"self_label": {"sure": 0.8}}),
            ["self_label", "no section adapt"],
        ),
        (
            lambda p: p["clean"].update(webcam_session={"self_label": {"sure": 0.4}}),
            ["clean.webcam_session.self_label", "unsure must be at most sure"],
        ),
        (
            lambda p: p.update(adapt=ADAPT | {"train": ADAPT["train"] | {"trainable": "last"}}),
            ["adapt.train", "adapt.mode"],
        ),
        (
            lambda p: (
                p["sets"].update(hq={"split": ["train"], "without": ["sample_expw"]}),
                p["pack"].update(train_sets=["hq"]),
                p["teacher"].update(set="hq"),
                p["student"].update(set="hq"),
                p.update(adapt=ADAPT | {"sources": ["sample_expw"]}),
            ),
            ["adapt.sources", "sample_expw", "pack.train_sets"],
        ),
    ],
)
def test_a_fault_is_named_by_its_key_and_by_what_was_found(change: Change, told: list[str]) -> None:
    assert_told(change, told)
