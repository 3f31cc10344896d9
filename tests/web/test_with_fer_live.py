"""The page as the face of `fer live`: Python analyses and writes the session, the page shows it and
steers.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2

from fer_core.live.recorded import read_session
from tests.exports import Exported
from tests.web.conftest import ROOT, chromium, run_node
from tests.web.test_browser import frame


def video(path: Path) -> Path:
    """Twenty seconds of a drawn face."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (480, 360))
    frames = [frame(step) for step in range(25)]
    for step in range(600):
        writer.write(frames[step % 25])
    writer.release()
    return path


def test_page_shows_and_steers_what_python_sees(exported: Exported, tmp_path: Path) -> None:
    program = chromium()
    options = ("--model", exported.files["fp32"], "--out", tmp_path / "session", "--no-browser")
    code = "from fer_cli.main import main; main()"
    command = [sys.executable, "-c", code, "live", video(tmp_path / "clip.mp4"), *options]
    live = subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert live.stdout is not None
        lines = iter(live.stdout.readline, "")
        address = next(m[0] for line in lines if (m := re.search(r"http://\S+", line)))
        seen = json.loads(run_node("tests/web/remote.mjs", program, address))
    finally:
        live.kill()
        live.wait()
    assert "failed" not in seen, seen
    assert "token is wrong" in seen["refused"]
    assert [error for error in seen["errors"] if "403" not in error] == []
    assert seen["private"] == "Stays on this computer"
    assert seen["picture"] == [480, 360] and seen["labelled"] == "true"
    assert str(tmp_path / "session") in seen["note"]
    origin = address.partition("?")[0]
    assert all(url.startswith((origin, "blob:", "data:")) for url in seen["requests"])

    session = read_session(tmp_path / "session")
    assert 3 in {found.manual for found in session.frames}
    assert session.rules.smooth.tau_s == 0.2
    assert session.video.is_file()
