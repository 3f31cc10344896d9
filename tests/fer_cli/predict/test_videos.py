import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_cli.predict.faces import in_reading_order
from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.live import sources
from fer_core.live.sources import VideoSource
from fer_core.predict.detection import FaceBox
from fer_core.predict.predictor import Predictor
from tests.exports import Exported, exported
from tests.fer_cli.predicting import folder, run
from tests.live.acting import ActingDetector, write_clip

__all__ = ["exported", "folder"]


def boxes(*places: tuple[int, int]) -> list[FaceBox]:
    return [FaceBox(left, top, 20, 20, 0.9) for left, top in places]


def test_faces_are_numbered_as_one_reads() -> None:
    """A back row, a front row, and a tall person at the right of it."""
    found = in_reading_order(boxes((60, 42), (10, 40), (40, 2), (0, 5), (90, 33), (70, 0)))
    assert [(box.left, box.top) for box in found] == [
        *((0, 5), (40, 2), (70, 0)),
        *((10, 40), (60, 42), (90, 33)),
    ]
    assert in_reading_order([]) == []


def test_every_frame_of_a_video_is_answered_as_a_picture(
    exported: Exported, tmp_path: Path
) -> None:
    video = write_clip(tmp_path / "clip.avi", [0, 2, 4, 6], rate=10)
    answers = json.loads(run(exported, video, "--format", "json").stdout)
    assert [(a["frame"], a["time"], a["face"]) for a in answers] == [
        *((0, 0.0, 1), (1, 0.1, 1), (2, 0.2, 1), (3, 0.3, 1))
    ]
    frames = [frame.image for frame in VideoSource(video).frames()]
    expected = Predictor(exported.files["fp32"], threads=1).predict(frames)
    found = [[answer["probabilities"][name] for name in CLASSES] for answer in answers]
    np.testing.assert_allclose(found, expected.probabilities, atol=1e-5)


def test_tables_have_columns_for_the_frame_where_there_is_a_video(
    exported: Exported, folder: Path, tmp_path: Path
) -> None:
    video = write_clip(tmp_path / "clip.mp4", [3] * 9)
    text = run(exported, video, folder / "a.png", "--format", "csv", "--every", 4).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["frame"], row["time"], row["face"]) for row in rows] == [
        *(("0", "0.0", "1"), ("4", "0.4", "1"), ("8", "0.8", "1"), ("", "", "1"))
    ]
    table = run(exported, video, "--every", 4).stdout.splitlines()
    assert table[0].split()[:4] == ["file", "frame", "time", "face"] and len(table) == 4
    assert "frame" not in run(exported, folder / "a.png", "--format", "csv").stdout


def test_a_video_may_show_several_faces_and_its_copy_shows_them_too(
    exported: Exported, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [boxes((50, 10), (5, 12)), [], boxes((30, 20))]
    monkeypatch.setattr("fer_cli.predict.command.YuNet", lambda *_: ActingDetector(found))
    video = write_clip(tmp_path / "clip.mp4", [3] * 3)
    options = ["--detect", "--annotate", tmp_path / "drawn", "--format", "json"]
    answers = json.loads(run(exported, video, *options).stdout)
    assert [(a["frame"], a["face"], a["box"] and a["box"]["left"]) for a in answers] == [
        *((0, 1, 5), (0, 2, 50), (1, None, None), (2, 1, 30))
    ]
    copies = list(VideoSource(tmp_path / "drawn" / "clip.mp4").frames())
    assert [bool(frame.image.std() > 8) for frame in copies] == [True, False, True]
    error = run(exported, video, "--annotate", tmp_path / "drawn").exception
    assert isinstance(error, DataError) and "overwrite" in str(error)


def test_pictures_beside_a_video_have_their_copies_too(
    exported: Exported, folder: Path, tmp_path: Path
) -> None:
    videos = [
        write_clip(tmp_path / name / "clip.mp4", [3] * 2) for name in _made(tmp_path, "x", "y")
    ]
    done = run(exported, *videos, folder / "a.png", "--annotate", tmp_path / "drawn")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == [
        *("a.png", "clip-2.mp4", "clip.mp4")
    ]


def _made(parent: Path, *names: str) -> tuple[str, ...]:
    for name in names:
        (parent / name).mkdir()
    return names


@pytest.mark.parametrize("strict", [False, True])
def test_a_video_that_cannot_be_read_is_a_fault_of_its_own(
    exported: Exported, folder: Path, tmp_path: Path, strict: bool
) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    options = ["--format", "json", *(["--strict"] if strict else [])]
    done = run(exported, tmp_path / "empty.mp4", folder / "a.png", *options)
    if strict:
        assert isinstance(done.exception, DataError)
        return
    first, second = json.loads(done.stdout)
    assert done.exit_code == 1 and "cannot be read as a video" in first["error"]
    assert second["label"] is not None


def test_a_video_without_a_frame_says_so(exported: Exported, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "clip.avi", [3])
    data = video.read_bytes()
    start = data.index(b"movi")
    video.write_bytes(data[: start + 4] + bytes(len(data) - start - 4))  # sound alone is as empty
    done = run(exported, video, "--format", "json")
    (answer,) = json.loads(done.stdout)
    assert done.exit_code == 1
    assert "no frame that can be read" in answer["error"] and answer["label"] is None


@pytest.mark.parametrize("count", [-1.0, 0.0, float("nan")])
def test_a_video_of_unknown_length_is_read_to_its_end(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: float
) -> None:
    """Streams and recordings that were cut off announce no number of frames."""
    video = write_clip(tmp_path / "clip.avi", [3, 0, 3])

    class Endless:
        def __init__(self, capture: cv2.VideoCapture) -> None:
            self._capture = capture

        def get(self, what: int) -> float:
            return count if what == cv2.CAP_PROP_FRAME_COUNT else self._capture.get(what)

        def __getattr__(self, name: str) -> object:
            return getattr(self._capture, name)

    real = sources.opened
    monkeypatch.setattr(sources, "opened", lambda *args, **how: Endless(real(*args, **how)))
    done = run(exported, video, "--format", "json")
    assert [answer["frame"] for answer in json.loads(done.stdout)] == [0, 1, 2]
    assert done.exit_code == 0 and VideoSource(video).count is None


def test_nothing_of_a_video_is_kept(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers are printed while the video is read: the last line of frame n before frame n + 2."""
    order: list[str] = []
    monkeypatch.setattr("typer.echo", lambda text, **_: order.append("told"))
    frames = VideoSource.frames

    def noting(self: VideoSource):  # type: ignore[no-untyped-def]
        for frame in frames(self):
            order.append(f"frame {frame.index}")
            yield frame

    monkeypatch.setattr(VideoSource, "frames", noting)
    run(exported, write_clip(tmp_path / "clip.mp4", [3] * 5))
    assert order.index("frame 4") - order.index("frame 1") == 6
