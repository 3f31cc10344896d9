"""The page in Chromium on a camera of 640 x 480: how long it takes to start, and how many frames a
second it answers.

Run: python -m bench.page_bench [--page data/web] [--seconds 10] [--rounds 3] [--peers FOLDER]

The camera plays a drawn face at 30 frames a second. A local server gives the files, each round
starts a new Chromium, and the middle round by frames a second is printed. With `--peers` a folder
where `npm install @vladmandic/face-api @vladmandic/human @tensorflow/tfjs-backend-wasm` was run,
these libraries do the same in turn with the page: find the face and tell its expression in each
frame, in WebAssembly as the page does.
"""

import http.server
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from fer_core.base.machine import cpu_model, usable_cores
from fer_core.pixels.opencv import cv2
from fer_core.sample.portrait import shoot
from fer_core.web.build import node

SCRIPT = Path(__file__).with_suffix(".mjs")
PEER_PAGES = Path(__file__).with_name("page_peers")
COLUMNS = {
    "ready": "ready after (s)",
    "rate": "frames/s",
    "latency": "latency",
    "share": "frames with the face",
    "finding faces": "finding faces",
    "answering": "answering",
}


def clip(path: Path) -> Path:
    """A drawn face that sways on a plain ground, as joined JPEGs of 640 x 480."""
    face = cv2.resize(shoot(7, "golden", 19, 3, 140, 2, freedom=0.3)[0], (240, 240))
    frames = []
    for step in range(90):
        image = np.full((480, 640, 3), 110, np.uint8)
        left, top = 200 + round(30 * np.sin(step / 14)), 120
        image[top : top + 240, left : left + 240] = face
        frames.append(cv2.imencode(".jpg", image)[1].tobytes())
    path.write_bytes(b"".join(frames))
    return path


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def measure(address: str, frames: Path, seconds: float) -> dict[str, Any]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        raise typer.BadParameter("Chromium is not installed")
    command = [str(node()), str(SCRIPT), chromium, address, str(frames), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise typer.BadParameter(f"{address}: {done.stderr[-800:]}")
    return json.loads(done.stdout)


def main(
    page: Path = Path("data/web"),
    seconds: float = 10,
    rounds: int = 3,
    peers: Annotated[Path | None, typer.Option()] = None,
) -> None:
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        frames = clip(Path(scratch) / "clip.mjpeg")
        root = Path(scratch) / "served"
        root.mkdir()
        (root / "page").symlink_to(page.resolve())
        names = ["page"]
        if peers is not None:
            (root / "node_modules").symlink_to((peers / "node_modules").resolve())
            shutil.copytree(PEER_PAGES, root, dirs_exist_ok=True)
            names += sorted(path.name for path in PEER_PAGES.glob("*.html"))
        with served(root) as address:
            for _ in range(rounds):
                for name in names:
                    where = f"{address}/{name}{'/' if name == 'page' else ''}"
                    found.setdefault(name, []).append(measure(where, frames, seconds))
    print(f"{cpu_model()}, {usable_cores()} cores; {rounds} rounds of {seconds:g} s\n")
    print(f"| | {' | '.join(COLUMNS.values())} |\n|---|{'---:|' * len(COLUMNS)}")
    for name, results in found.items():
        middle = sorted(results, key=lambda result: result["rate"])[len(results) // 2]
        cells = [middle.get(key, "–") for key in COLUMNS]
        shown = [f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells]
        print(f"| {name.removesuffix('.html')} | {' | '.join(shown)} |")


if __name__ == "__main__":
    typer.run(main)
