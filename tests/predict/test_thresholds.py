"""Thresholds that an exported file carries."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fer_core.base.errors import ModelError
from fer_core.base.labels import CLASSES
from fer_core.predict.metadata import OnnxMetadata, Thresholds
from tests.exports import PREPROCESSING

PLAIN = OnnxMetadata("small", "fp32", PREPROCESSING, 1.0, "a" * 64, "b" * 64, "for tests")
THRESHOLDS = Thresholds(0.1, 0.8, 0.1, dict.fromkeys(CLASSES, 0.2))


def test_thresholds_travel_in_the_metadata_and_a_file_without_them_stays_readable() -> None:
    carried = replace(PLAIN, thresholds=THRESHOLDS)
    assert OnnxMetadata.from_props(carried.to_props(), "f") == carried
    assert carried.auto_threshold("f") == 0.8
    assert "thresholds" not in PLAIN.to_props()
    assert OnnxMetadata.from_props(PLAIN.to_props(), "f").thresholds is None


def test_a_file_without_a_threshold_says_so() -> None:
    with pytest.raises(ModelError, match="fitted to nothing"):
        PLAIN.auto_threshold("f")
    none = replace(PLAIN, thresholds=replace(THRESHOLDS, confidence=None))
    assert OnnxMetadata.from_props(none.to_props(), "f") == none
    with pytest.raises(ModelError, match="at no threshold"):
        none.auto_threshold("f")


@pytest.mark.parametrize(
    "change",
    [{"risk": "x"}, {"confidence": 2}, {"miss": True}, {"classes": {"Angry": 0.1}}, {"x": 1}],
)
def test_metadata_that_are_no_thresholds_are_refused(change: dict[str, Any]) -> None:
    props = replace(PLAIN, thresholds=THRESHOLDS).to_props()
    props["thresholds"] = json.dumps(json.loads(props["thresholds"]) | change)
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxMetadata.from_props(props, "f")
