from pathlib import Path

import pytest

from fer_core.base.errors import DataError
from fer_core.live.recorded import read_session
from fer_core.live.replaying import ReplaySource, replayed
from tests.live.acting import ActingDetector, ActingPredictor
from tests.sources.drawn import session

SHOWN = [-1] * 5 + [3] * 20 + [4] * 20


def test_the_same_network_answers_a_session_as_it_did(tmp_path: Path) -> None:
    before = read_session(session(tmp_path / "s", SHOWN))
    after = replayed(before, ActingPredictor(), ActingDetector())  # type: ignore[arg-type]
    assert after.numbers == before.numbers and after.rules == before.rules
    for one, other in zip(before.frames, after.frames, strict=True):
        assert (one.time, one.manual, one.raw, one.smoothed) == (
            *(other.time, other.manual, other.raw, other.smoothed),
        )
        assert other.p_smoothed == pytest.approx(one.p_smoothed, abs=0.2)  # the video is compressed


def test_frames_without_a_face_stay_and_have_no_answer(tmp_path: Path) -> None:
    before = read_session(session(tmp_path / "s", SHOWN))
    after = replayed(before, ActingPredictor(), ActingDetector([[]]))  # type: ignore[arg-type]
    assert len(after.frames) == len(SHOWN)
    assert {(frame.raw, frame.smoothed, frame.p_raw) for frame in after.frames} == {(-1, -1, None)}


def test_a_video_of_other_frames_is_refused(tmp_path: Path) -> None:
    recorded = read_session(session(tmp_path / "s", SHOWN))
    recorded.facts["recorded"]["first_frame"] = 900
    with pytest.raises(DataError, match="does not belong"):
        ReplaySource(recorded)
