from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from fer_core.export.latency.records import (
    ENOUGH_CALLS,
    judge,
    read_promotions,
    recommended,
    write_promotions,
)

PASSED = {
    "precisions": {"int8": {"macro_f1_drop": 0.004, "gate": {"macro_f1": 0.01}}},
    "refused": {},
}
REFUSED = {
    "precisions": {},
    "refused": {
        "int8": {"macro_f1_drop": 0.03, "reasons": ["drop of macro-F1 is 0.03, allowed 0.01"]}
    },
}


def times(calls: int = ENOUGH_CALLS, **ratios: float) -> pd.DataFrame:
    """Rows of the int8 file; keys are scope, batch and threads, such as model_1_2; calls of batch
    1, others have one.
    """
    rows: list[dict[str, Any]] = []
    for key, ratio in ratios.items():
        scope, batch, threads = key.split("_")
        row = {
            "precision": "int8",
            "provider": "CPU",
            "scope": scope,
            "batch": int(batch),
            "threads": int(threads),
            "cpu": "a CPU",
        }
        rows.append(row | {"ratio_to_fp32": ratio, "calls": calls if batch == "1" else 1})
    rows += [row | {"precision": "fp32", "ratio_to_fp32": 1.0} for row in rows[:1]]
    rows += [row | {"provider": "CUDA", "ratio_to_fp32": 9.0} for row in rows[:1]]
    return pd.DataFrame(rows)


def test_good_and_fast_enough_file_is_promoted() -> None:
    (found,) = judge(PASSED, times(model_1_1=0.7, model_1_2=0.9, model_8_1=2.0, crop_1_1=2.0))
    assert (found.promoted, found.time_share, found.macro_f1_drop) == (True, 0.9, 0.004)
    assert found.reason.startswith("int8 is promoted: it takes 0.90 of fp32's time on a CPU")


def test_slow_file_is_not_and_the_words_say_how_slow() -> None:
    (found,) = judge(PASSED, times(model_1_1=0.7, model_1_2=0.91))
    assert (found.promoted, found.time_share) == (False, 0.91)
    assert (
        "not promoted" in found.reason
        and "0.91 of fp32's time" in found.reason
        and "allowed 0.90" in found.reason
    )


def test_file_that_lost_too_much_is_not_whatever_its_speed() -> None:
    (found,) = judge(REFUSED, times(model_1_1=0.1))
    assert (found.promoted, found.time_share) == (False, None)
    assert "not promoted: drop of macro-F1 is 0.03" in found.reason


def test_nothing_is_judged_where_nothing_was_exported() -> None:
    assert judge({"precisions": {"fp32": {}}, "refused": {}}, times(model_1_1=0.5)) == []


@pytest.mark.parametrize("table", [times(crop_1_1=0.5), times(model_1_1=float("nan"))])
def test_file_that_was_not_timed_beside_fp32_is_an_error(table: pd.DataFrame) -> None:
    with pytest.raises(ArtifactError, match="not timed"):
        judge(PASSED, table)


def test_record_is_read_back_and_an_incomplete_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "onnxpromotion.json"
    verdicts = judge(PASSED, times(model_1_1=0.5))
    write_promotions(path, verdicts)
    assert read_promotions(path) == verdicts
    values = read_json(path)
    del values["verdicts"][0]["reason"]
    write_json(path, values)
    with pytest.raises(ArtifactError, match="Field required"):
        read_promotions(path)
    write_json(path, values | {"schema": 9})
    with pytest.raises(ArtifactError, match="schema"):
        read_promotions(path)


def test_a_verdict_on_few_calls_is_provisional_and_says_so() -> None:
    (few,) = judge(PASSED, times(calls=30, model_1_1=0.5))
    assert few.promoted and few.provisional
    assert (
        few.reason.startswith("int8 is promoted, provisionally:") and "Only 30 calls" in few.reason
    )
    (enough,) = judge(PASSED, times(model_1_1=0.5, model_8_1=0.5))
    assert not enough.provisional and "provisional" not in enough.reason
    (lost,) = judge(REFUSED, times(calls=30, model_1_1=0.5))
    assert not lost.provisional, "speed did not decide"


def test_int8_is_recommended_only_where_it_is_promoted() -> None:
    assert recommended(judge(PASSED, times(model_1_1=0.5))) == "int8"
    assert recommended(judge(PASSED, times(model_1_1=0.95))) == recommended([]) == "fp32"
