import csv
import gc
import json
import subprocess
import sys
import time
import tracemalloc
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from fer_core.base.errors import DataError, WriteError
from fer_core.live.board import Board
from fer_core.live.recorded import compare_sessions, read_session, score_session
from fer_core.live.session import FRAME_COLUMNS
from fer_core.live.sources import VideoSource
from fer_core.predict.detection import FaceBox
from tests.live.acting import BOX, FACTS, ActingDetector, Clip, acted

ORIGINAL = (
    "frame_index,time_sec,manual_label,pred_label,prob_Angry,prob_Disgust,prob_Fear,prob_Happy,"
    "prob_Sad,prob_Surprise,prob_Neutral,detector,model,ckpt"
)
CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
SHOWN = [3] * 20 + [4] * 20
"""Two seconds of Happy, two of Sad."""


def played(
    folder: Path, shown: list[int] = SHOWN, detector: ActingDetector | None = None, **options: Any
) -> Path:
    """A session of a clip that is labelled as it shows."""
    watch = acted(folder, Clip(shown), detector)
    watch.writer.record(options.get("record", False))
    watch.before = lambda index: watch.writer.label(shown[index])
    deque(watch.results(), maxlen=0)
    return folder


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_files_have_the_original_s_columns_and_keys(tmp_path: Path) -> None:
    folder = played(tmp_path / "s")
    assert (folder / "per_frame.csv").read_text().startswith(ORIGINAL + ",track_id,face,x,y,w,h")
    found = rows(folder, "per_frame.csv")
    assert len(found) == 40 and found[0]["time_sec"] == "0.000000"
    assert found[25]["manual_label"] == found[25]["raw_label"] == "Sad"
    assert [found[0][name] for name in "xywh"] == ["20", "10", "30", "30"]
    assert rows(folder, "events.csv") == [
        {
            "label": label,
            "start_frame": first,
            "end_frame": last,
            "start_time_sec": begin,
            "end_time_sec": end,
            "source": "manual",
        }
        for label, first, last, begin, end in (
            ("Happy", "0", "19", "0.000000", "1.900000"),
            ("Sad", "20", "39", "2.000000", "3.900000"),
        )
    ]
    (summary,) = rows(folder, "demoresultssummary.csv")
    assert summary["frames_logged"] == "40" and summary["events_logged"] == "2"
    assert summary["input"] == "./=clip", "no spreadsheet takes it for a formula"
    assert (summary["ema_alpha"], summary["vote_min_count"]) == ("0.7", "8")
    correct = rows(folder, "per_class_correctness.csv")
    assert [row["label"] for row in correct] == [*CLASSES, "__overall__"]
    assert correct[3]["frames_with_manual"] == "20" and correct[3]["accuracy"] == "1.000000"
    assert correct[0]["accuracy"] == ""
    thresholds = json.loads((folder / "thresholds.json").read_text())
    assert list(thresholds)[:5] == [
        *("ema_alpha", "hysteresis_delta", "vote_window", "vote_min_count", "show_emo_ratio")
    ]
    facts = json.loads((folder / "session.json").read_text())
    assert facts["ended"] == "end of the source" and facts["frames"] == 40
    assert facts["model"] == FACTS["model"] and facts["recorded"] is None


def test_a_frame_without_a_face_has_empty_fields_and_no_zeros(tmp_path: Path) -> None:
    folder = played(tmp_path / "s", [3] * 3, ActingDetector([[BOX], [], [BOX]]))
    row = rows(folder, "per_frame.csv")[1]
    assert row["face"] == "0" and row["manual_label"] == "Happy"
    empty = [name for name in row if row[name] == ""]
    assert {f"prob_{name}" for name in CLASSES} | {"pred_label", "raw_label", "x"} <= set(empty)
    assert read_session(folder).frames[1].raw == -1


def test_several_faces_have_a_row_each_and_only_the_main_one_is_labelled(tmp_path: Path) -> None:
    boxes = [BOX, FaceBox(2, 2, 10, 10, 0.9)]
    folder = played(tmp_path / "s", [3, 3], ActingDetector([boxes]))
    found = [
        (row["frame_index"], row["face"], row["manual_label"])
        for row in rows(folder, "per_frame.csv")
    ]
    assert found == [("0", "1", "Happy"), ("0", "2", ""), ("1", "1", "Happy"), ("1", "2", "")]
    assert len(read_session(folder).frames) == 2


def test_a_killed_session_is_read_up_to_its_last_whole_row(tmp_path: Path) -> None:
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.live.acting import Clip, acted
watch = acted(Path(sys.argv[1]), Clip([3] * 40))
watch.before = lambda index: watch.writer.label(3)
for result in watch.results():
    if result.frame.index == 30:
        os.kill(os.getpid(), 9)
"""
    folder = tmp_path / "s"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True)
    assert done.returncode == -9, done.stderr
    with (folder / "per_frame.csv").open("a") as stream:
        stream.write("31,3.1,Happy,Ha")
    session = read_session(folder)
    assert session.numbers == list(range(31)) and session.facts["ended"] is None
    assert score_session(session)["scored"]["accuracy"] == 1.0


def test_a_folder_takes_one_session_only(tmp_path: Path) -> None:
    first = acted(tmp_path / "s", Clip([3]))
    with pytest.raises(DataError, match="holds a session already"):
        acted(tmp_path / "s", Clip([3]))
    deque(first.results(), maxlen=0)
    assert len(rows(tmp_path / "s", "per_frame.csv")) == 1


def test_a_full_disk_ends_the_session_and_keeps_what_was_written(
    tmp_path: Path, small_files: None
) -> None:
    watch = acted(tmp_path / "s", Clip([3] * 40))
    with pytest.raises(WriteError, match="what was written before stays"):
        deque(watch.results(), maxlen=0)
    assert 1 <= len(read_session(tmp_path / "s").frames) < 40


def test_a_source_that_fails_leaves_a_whole_session(tmp_path: Path) -> None:
    clip = Clip([3] * 10)
    watch = acted(tmp_path / "s", clip)

    def lost(index: int) -> None:
        if index == 5:
            raise DataError("The camera went away.")

    watch.before = lost
    with pytest.raises(DataError, match="went away"):
        deque(watch.results(), maxlen=0)
    assert clip.closed and len(rows(tmp_path / "s", "per_frame.csv")) == 5
    facts = json.loads((tmp_path / "s" / "session.json").read_text())
    assert facts["ended"] == "The camera went away."
    assert (tmp_path / "s" / "demoresultssummary.csv").exists()


def test_the_clean_video_is_that_of_the_frames(tmp_path: Path) -> None:
    folder = played(tmp_path / "s", record=True)
    session = read_session(folder)
    shown = [round(frame.image.mean() / 30) for frame in VideoSource(session.video).frames()]
    assert shown == SHOWN
    assert session.facts["recorded"]["first_frame"] == 0
    assert session.facts["recorded"]["last_frame"] == 39


def test_a_session_takes_no_more_memory_in_an_hour_than_in_a_minute(tmp_path: Path) -> None:
    """Nothing of the frames is kept, neither by the session nor beyond some pictures for a page."""
    watch = acted(tmp_path / "s", Clip([3, 4] * 900))
    board, sizes = Board(watch), []
    tracemalloc.start()
    for result in watch.results():
        board.show(result)
        if result.frame.index in (200, 1799):
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[1] - sizes[0] < 30_000, "1,600 rows are 1,200,000 bytes"


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("manual_label", "Bored", "none of the seven"),
        ("smoothed_label", "sad", "none of the seven"),
        ("time_sec", "soon", "no such number"),
        ("time_sec", "-1", "no such number"),
        ("prob_Sad", "1.5", "no such number"),
        ("prob_Sad", "nan", "no such number"),
        ("prob_Sad", "", "no such number"),
        ("p_smoothed_Sad", "0,5", "no such number|another number of cells"),
        ("frame_index", "3", "not in order"),
        ("time_sec", "0.1", "not in order"),
        ("face", "", "no such number"),
    ],
)
def test_a_table_that_was_edited_by_hand_is_named_with_its_line(
    tmp_path: Path, column: str, value: str, words: str
) -> None:
    folder = played(tmp_path / "s", [3] * 10)
    lines = (folder / "per_frame.csv").read_text().splitlines()
    cells = lines[8].split(",")
    cells[FRAME_COLUMNS.index(column)] = value
    lines[8] = ",".join(cells)
    (folder / "per_frame.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=words) as caught:
        read_session(folder)
    assert "per_frame.csv: line 9" in str(caught.value)


def test_what_is_no_session_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder of a live session"):
        read_session(tmp_path)
    folder = played(tmp_path / "s", [3] * 3)
    (folder / "per_frame.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="Columns are missing"):
        read_session(folder)
    (folder / "per_frame.csv").write_bytes(b"\xff\xfe\n")
    with pytest.raises(DataError, match=r"cannot be read|Columns are missing"):
        read_session(folder)
    with pytest.raises(DataError, match="no video"):
        _ = read_session(played(tmp_path / "t", [3])).video


@pytest.mark.parametrize("name", ["../s/video.mkv", "/etc/passwd", "sub/video.mkv", "..", "", 7])
def test_a_video_outside_the_session_s_folder_is_not_opened(tmp_path: Path, name: Any) -> None:
    folder = played(tmp_path / "s", [3], record=True)
    facts = json.loads((folder / "session.json").read_text())
    facts["recorded"]["video"] = name
    (folder / "session.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match=r"no video|cannot be read as a video"):
        VideoSource(read_session(folder).video)


def test_two_sessions_are_compared_on_the_same_frames_only(tmp_path: Path) -> None:
    before, after = (read_session(played(tmp_path / name)) for name in "ab")
    found = compare_sessions([before], [after])
    assert found["accuracy"]["difference"] == 0 and found["segments"] == 2
    other = read_session(played(tmp_path / "c", SHOWN[:-1]))
    with pytest.raises(DataError, match="same frames and labels"):
        compare_sessions([before], [other])
    assert compare_sessions([before.of(other.numbers)], [other])["segments"] == 2


def test_timing_is_of_the_steps_that_were_done(tmp_path: Path) -> None:
    session = read_session(played(tmp_path / "s"))
    timing = score_session(session)["timing"]
    assert timing["frames_per_second"] == pytest.approx(10)
    assert set(timing["total_ms"]) == {"p50", "p90", "p99"}
    session.milliseconds["detect_ms"] = []
    assert score_session(session)["timing"]["detect_ms"] is None


def test_reading_an_hour_is_quick(tmp_path: Path) -> None:
    """20,000 frames, about eleven minutes: well under five seconds."""
    folder = played(tmp_path / "s", [3] * 50)
    lines = (folder / "per_frame.csv").read_text().splitlines()
    with (folder / "per_frame.csv").open("w") as stream:
        stream.write(lines[0] + "\n")
        for index, line in zip(range(20_000), islice(_forever(lines[1:]), 20_000), strict=True):
            cells = line.split(",", 2)
            stream.write(f"{index},{index / 30:.6f},{cells[2]}\n")
    start = time.process_time()
    assert len(read_session(folder).frames) == 20_000
    assert time.process_time() - start < 5


def _forever(lines: list[str]) -> Any:
    while True:
        yield from lines
