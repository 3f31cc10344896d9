from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fer_core.base.errors import DataError
from fer_core.evaluation.adaptation.gate import (
    held_out_sessions,
    judge_sessions,
    replay_both,
    session_folder,
    verdict,
)
from fer_core.evaluation.comparison.gates import GateResult
from tests.live.acting import ActingDetector, ActingPredictor
from tests.sources.drawn import session

SHOWN = [3] * 20 + [4] * 20 + [3] * 20 + [4] * 20


class Blind(ActingPredictor):
    """Takes every picture for one that is darker by a class, so that nothing is right."""

    def predict(self, images):  # type: ignore[no-untyped-def]
        return super().predict([image - image // 4 for image in images])


def comparison(low: float, before: float, after: float) -> dict[str, Any]:
    score = {"before": 0.5, "after": 0.6, "difference": 0.1, "interval": [low, 0.2]}
    flips = {"before": {"scored": before}, "after": {"scored": after}}
    return {"macro_f1_present": score, "flips_per_min": flips}


@pytest.mark.parametrize(
    ("low", "before", "after", "failed"),
    [
        (0.01, 10.0, 11.0, []),  # ten per cent more are allowed
        (0.0, 10.0, 10.0, ["low end"]),  # an interval that holds 0 shows nothing
        (-0.1, 10.0, 12.0, ["low end", "flips"]),
        (0.01, 0.0, 0.0, []),
        (0.01, 0.0, 0.1, ["flips"]),
    ],
)
def test_sessions_must_be_better_for_sure_and_as_steady(
    low: float, before: float, after: float, failed: list[str]
) -> None:
    result = judge_sessions(comparison(low, before, after))
    assert result.passed is not failed
    words = [rule for _, rule, holds, _ in result.findings if not holds]
    assert len(words) == len(failed) and all(a in b for a, b in zip(failed, words, strict=True))
    assert result.passed == (not failed)


def test_without_sessions_or_intervals_nothing_is_promoted_and_the_words_say_so() -> None:
    assert "no session is held out" in verdict([judge_sessions(None)])
    none = comparison(0.1, 1.0, 1.0)
    none["macro_f1_present"]["interval"] = None
    assert "fewer than two segments" in verdict([judge_sessions(none)])
    timeless = judge_sessions(
        comparison(0.1, 1.0, 1.0)
        | {"flips_per_min": {"before": {"scored": None}, "after": {"scored": None}}}
    )
    assert not timeless.passed


def test_verdict_needs_both_gates() -> None:
    good = judge_sessions(comparison(0.01, 10.0, 10.0))
    bad = GateResult(
        "regression", False, (("everything", "macro-F1 falls by at most 0.01", False, "-0.03"),)
    )
    assert verdict([good]) == "promoted: both gates pass"
    assert verdict([good, bad]) == (
        "not promoted; everything: not so that macro-F1 falls by at most 0.01: -0.03"
    )


def test_sessions_that_gave_test_rows_are_the_held_out_ones() -> None:
    ids = ["faces/test/a#1", "webcam/anna#3", "webcam/anna#13", "webcam/test/ben#2"]
    test = pd.DataFrame({"sample_id": ids, "source": [name.split("/")[0] for name in ids]})
    assert held_out_sessions(test, ["webcam"]) == [("webcam", "anna"), ("webcam", "test/ben")]


def test_sessions_are_replayed_through_both_networks_with_their_labels(tmp_path: Path) -> None:
    folders = [session(tmp_path / name, SHOWN) for name in ("a", "b")]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    found = replay_both(folders, Blind(), ActingPredictor(), lambda rules: ActingDetector())  # type: ignore[arg-type]
    score = found["macro_f1_present"]
    assert found["segments"] == 8 and score["after"] == 1 and score["interval"][0] > 0
    assert score["before"] < 0.5
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    same = replay_both(
        folders, ActingPredictor(), ActingPredictor(), lambda rules: ActingDetector()
    )  # type: ignore[arg-type]
    assert same["accuracy"]["difference"] == 0
    assert same["flips_per_min"]["before"] == same["flips_per_min"]["after"]


def test_a_session_is_found_in_its_folder_and_not_in_an_archive(tmp_path: Path) -> None:
    folder = session(tmp_path / "anna", SHOWN)
    assert session_folder(tmp_path, "anna") == folder
    assert session_folder(folder, "session") == folder
    with pytest.raises(DataError, match="unpack"):
        session_folder(tmp_path, "ben")
