import http.server
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from fer_core.base.errors import DataError
from fer_core.live.cameras import CameraSource
from fer_core.live.sources import FolderSource, PacedSource, VideoSource, open_source
from fer_core.pixels import captures
from tests.live.acting import Clip, grey, write_clip


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".avi"])
def test_a_video_gives_every_frame_at_its_own_time(tmp_path: Path, ending: str) -> None:
    source = open_source(str(write_clip(tmp_path / f"clip{ending}", [0, 2, 4, 6, 3], rate=12.5)))
    frames = list(source.frames())
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4] and source.count == 5
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(5) / 12.5, atol=2e-3)
    shown = [frame.image.mean() for frame in frames]
    np.testing.assert_allclose(shown, np.array([0, 2, 4, 6, 3]) * 30, atol=6)
    assert source.kind == "video" and source.waits and source.rate == pytest.approx(12.5)


def test_times_that_stand_still_or_go_back_are_filled_by_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = VideoSource(write_clip(tmp_path / "clip.mp4", [1] * 6, rate=10))
    real, places = source._capture, iter([500.0, 600, 600, 550, float("nan"), 1500])

    def get(key: int) -> float:
        return next(places) if key == cv2.CAP_PROP_POS_MSEC else real.get(key)

    source._capture = SimpleNamespace(read=real.read, get=get, release=real.release)
    times = [frame.time for frame in source.frames()]
    np.testing.assert_allclose(times, [0, 0.1, 0.2, 0.3, 0.4, 1.0], atol=1e-9)


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100, b"\x1aE\xdf\xa3" * 50])
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes, capfd: Any) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read as a video[\s\S]*clip\.mp4"):
        open_source(str(tmp_path / "clip.mp4"))
    assert "WARN" not in capfd.readouterr().err


def test_a_video_without_frames_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = VideoSource(write_clip(tmp_path / "clip.mp4", [1] * 3))
    source._capture = SimpleNamespace(read=lambda: (False, None), release=lambda: None)
    with pytest.raises(DataError, match="no frame that can be read"):
        list(source.frames())


def test_a_video_that_was_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", [1] * 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 < len(list(open_source(str(path)).frames())) < 40


def test_a_file_may_not_lead_to_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        captures.cv2,
        "VideoCapture",
        lambda *_: (
            seen.append(os.environ.get("OPENCV_FFMPEG_CAPTURE_OPTIONS"))
            or SimpleNamespace(isOpened=lambda: False, release=lambda: None)
        ),
    )
    (tmp_path / "list.m3u8").write_text("#EXTM3U\nhttp://127.0.0.1:1/x.ts\n")
    with pytest.raises(DataError):
        open_source(str(tmp_path / "list.m3u8"))
    assert seen == ["protocol_whitelist;file,crypto,data"]
    assert "OPENCV_FFMPEG_CAPTURE_OPTIONS" not in os.environ


def _write(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for place, name in enumerate(names):
        (folder / name).write_bytes(cv2.imencode(".png", grey(place))[1].tobytes())
    return folder


def test_frames_of_a_folder_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = _write(tmp_path / "frames", ["f10.png", "f2.PNG", "f1.jfif"])
    (folder / "._f1.png").write_bytes(b"litter")
    (folder / "notes.txt").write_text("no frame")
    source = open_source(str(folder), rate=4)
    frames = list(source.frames())
    assert [round(frame.image.mean() / 30) for frame in frames] == [2, 1, 0]
    assert [frame.time for frame in frames] == [0, 0.25, 0.5] and source.count == 3


def test_a_frame_that_cannot_be_read_leaves_a_gap(tmp_path: Path) -> None:
    folder = _write(tmp_path / "frames", ["1.png", "2.png", "3.png"])
    (folder / "2.png").write_bytes(b"broken")
    frames = list(FolderSource(folder, 10).frames())
    assert [(frame.index, frame.dropped) for frame in frames] == [(0, 0), (1, 1)]
    assert frames[1].time == pytest.approx(0.2)
    for name in ("1.png", "3.png"):
        (folder / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"1\.png|2\.png|3\.png"):
        list(FolderSource(folder, 10).frames())


def test_missing_sources_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, words in (("gone.mp4", "no such source"), ("empty", "no pictures")):
        with pytest.raises(DataError, match=words):
            open_source(str(tmp_path / name))
    for name in ("97", "rtsp://127.0.0.1:1/live"):
        with pytest.raises(DataError, match=r"no such (camera|stream)"):
            open_source(name)


class _Stream(http.server.BaseHTTPRequestHandler):
    """Joined JPEGs, as network cameras send them, until 40 are sent."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        data = cv2.imencode(".jpg", grey(3))[1].tobytes()
        for _ in range(40):
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
            time.sleep(0.01)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_a_stream_is_read_by_its_address_until_it_ends() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Stream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = open_source(f"http://127.0.0.1:{server.server_port}/camera.mjpg")
        assert source.kind == "stream" and not source.waits
        seen = []
        with pytest.raises(DataError, match="The stream went away"):
            seen.extend(source.frames())
        server.shutdown()
    assert round(seen[0].image.mean() / 30) == 3
    assert [frame.index for frame in seen] == list(range(len(seen)))
    assert len(seen) + sum(frame.dropped for frame in seen) >= 30


class Lens:
    """Stands in for OpenCV's capture of a camera: frames when it is told to."""

    def __init__(self, pictures: list[Any]) -> None:
        self.pictures, self.given, self.released = pictures, threading.Semaphore(0), False

    def get(self, key: int) -> float:
        return 30.0

    def read(self) -> tuple[bool, Any]:
        self.given.acquire()
        if not self.pictures:
            return False, None
        return True, self.pictures.pop(0)

    def release(self) -> None:
        self.released = True


def _wait_until(true: Any) -> None:
    end = time.monotonic() + 5
    while not true() and time.monotonic() < end:
        time.sleep(0.001)
    assert true()


def test_the_newest_frame_of_a_camera_wins_and_the_others_are_counted() -> None:
    lens, ticks = Lens([grey(i) for i in range(5)] + [None, grey(6)]), iter(range(100))
    source = CameraSource("0", lambda: lens, clock=lambda: 10 + next(ticks) / 10)
    frames = source.frames()
    lens.given.release()
    first = next(frames)
    assert (first.index, first.time, first.dropped) == (0, 0.0, 0)
    lens.given.release(4)
    _wait_until(lambda: source._missed == 3)
    second = next(frames)
    assert round(second.image.mean() / 30) == 4 and second.dropped == 3
    assert second.time == pytest.approx(0.4) and second.index == 1
    lens.given.release(2)
    assert next(frames).dropped == 1, "an empty frame counts too"
    lens.given.release()
    with pytest.raises(DataError, match="went away"):
        next(frames)
    assert lens.released


def test_a_camera_that_is_closed_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    lens = Lens([grey(1), grey(2)])
    source = CameraSource("0", lambda: lens)
    frames = source.frames()
    lens.given.release()
    next(frames)
    source.close()
    assert list(frames) == []
    lens.given.release()
    _wait_until(lambda: lens.released)


def test_a_camera_that_falls_silent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_core.live.cameras._SILENT_S", 0.02)
    lens = Lens([grey(1)])
    with pytest.raises(DataError, match="gives no pictures"):
        next(CameraSource("0", lambda: lens).frames())
    lens.given.release()


def test_a_paced_file_is_not_faster_than_it_was_taken() -> None:
    source = PacedSource(Clip([1, 2, 3], rate=50))
    start = time.monotonic()
    assert [frame.index for frame in source.frames()] == [0, 1, 2]
    assert time.monotonic() - start >= 0.04
    source = PacedSource(Clip([1] * 5, rate=0.001))
    frames = source.frames()
    next(frames)
    threading.Timer(0.01, source.close).start()
    assert list(frames) == []
