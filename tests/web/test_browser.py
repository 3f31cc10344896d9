"""The page in a real Chromium, with a camera that shows drawn faces."""

import json
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from fer_core.base.labels import CLASSES
from fer_core.live.recorded import read_session, score_session
from fer_core.sample.portrait import shoot
from fer_core.web.page import SINGLE_FILE
from tests.web.conftest import chromium, run_node


def frame(step: int) -> np.ndarray:
    """A drawn face on a plain ground, which sways a little; BGR, uint8 [360, 480, 3]."""
    face = cv2.resize(shoot(7, "golden", 19, 3, 140, 2, freedom=0.3)[0], (200, 200))
    image = np.full((360, 480, 3), 110, np.uint8)
    left, top = 130 + round(8 * np.sin(step / 4)), 70
    image[top : top + 200, left : left + 200] = face
    return image


def clip(path: Path) -> Path:
    """A camera's frames as joined JPEGs."""
    path.write_bytes(b"".join(cv2.imencode(".jpg", frame(step))[1].tobytes() for step in range(24)))
    return path


def test_camera_to_download_and_nothing_leaves_the_origin(
    address: str, page: Path, tmp_path: Path
) -> None:
    frames = clip(tmp_path / "clip.mjpeg")
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(cv2.imencode(".jpg", frame(0))[1].tobytes())
    single = page / SINGLE_FILE
    program = "tests/web/browser.mjs"
    found = run_node(program, chromium(), address, single, frames, picture, tmp_path)
    seen = json.loads(found)
    assert "failed" not in seen, seen

    origin = urlsplit(address).netloc
    assert seen["requests"]
    within = (f"http://{origin}/", f"blob:http://{origin}/", single.as_uri(), "blob:null/", "data:")
    assert [url for url in seen["requests"] if not url.startswith(within)] == []
    assert seen["violation"] == "connect-src"
    assert seen["stored"] == ["", 0, 0, 0]
    provoked = ("example.org", "status of 404")
    assert [error for error in seen["errors"] if not any(one in error for one in provoked)] == []

    assert seen["answer"] in (*CLASSES, "Uncertain")
    assert sum(int(share.split()[0]) for share in seen["shares"]) == pytest.approx(100, abs=4)
    assert seen["picture"] == [480, 360] and seen["painted"] > 50
    assert seen["rate"] > 0
    assert seen["drawn"] and seen["unnamed"] == []
    assert seen["tau"] == "0.20 s"
    assert max(seen["beyond"]) <= 0
    assert seen["grounds"][0] < 60 and seen["grounds"][1] > 200
    assert (seen["hidden"], seen["again"]) == ("Paused", True)
    assert seen["refusals"] == [
        "The camera is not allowed",
        "No camera was found",
        "The camera is busy",
    ]
    assert seen["broken"] == "This file cannot be played"
    assert "WebAssembly" in seen["blocked"]
    assert "detector.onnx is missing" in seen["detector"][0]
    assert "could not get ready" in seen["detector"][1]
    assert seen["alone"] in (*CLASSES, "Uncertain")

    check_session(tmp_path)


def check_session(folder: Path) -> None:
    """The download is a session as `fer live` reads it, and Python scores it as the page did."""
    with zipfile.ZipFile(folder / "session.zip") as archive:
        archive.extractall(folder / "session")
    session = read_session(folder / "session")
    assert {frame.manual for frame in session.frames} >= {CLASSES.index("Happy"), 4}
    assert session.facts["model"]["classes"] == list(CLASSES)
    assert session.rules.smooth.tau_s == 0.2
    theirs = json.loads((folder / "session" / "score_results.json").read_text())
    ours = score_session(session)
    assert theirs["scored"]["scored_frames"] == ours["scored"]["scored_frames"] > 0
    assert theirs["metrics"]["smoothed"]["accuracy"] == ours["metrics"]["smoothed"]["accuracy"]
    for kind in ("raw", "smoothed"):
        assert theirs["metrics"][kind]["nll"] == pytest.approx(
            ours["metrics"][kind]["nll"], abs=1e-4
        )
