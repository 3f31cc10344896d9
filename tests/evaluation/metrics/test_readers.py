from pathlib import Path
from typing import Any

import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.files import write_json
from fer_core.evaluation.metrics.readers import read_reliability_metrics

SET: dict[str, Any] = {
    "rows": 3,
    "raw": {},
    "temperature_scaled": {},
    "ece_floor": {"mean": 0.1, "p95": 0.2},
    "vector": {},
}


def test_sets_are_read_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "reliabilitymetrics.json", {"val": SET, "everything": SET})
    assert read_reliability_metrics(tmp_path) == {"val": SET, "everything": SET}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1], "valid dictionary"),
        ({"val": 3}, "val: Input should be a valid dictionary"),
        ({"val": {name: value for name, value in SET.items() if name != "ece_floor"}}, "ece_floor"),
    ],
)
def test_record_that_is_not_complete_is_refused(values: object, words: str, tmp_path: Path) -> None:
    write_json(tmp_path / "reliabilitymetrics.json", values)
    with pytest.raises(ArtifactError, match=words):
        read_reliability_metrics(tmp_path)


def test_missing_record_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="missing"):
        read_reliability_metrics(tmp_path)
