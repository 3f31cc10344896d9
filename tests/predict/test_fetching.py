import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_bytes
from fer_core.predict import detection, fetching

DETECTOR = bytes(range(256)) * 40


class Zoo(BaseHTTPRequestHandler):
    """Gives the detector in every way in which an address may answer."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.end_headers()
            return
        answers = {
            "/whole": DETECTOR,
            "/pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:8f23\nsize 232589\n",
            "/page": b"<!DOCTYPE html><html>rate limit</html>",
            "/other": DETECTOR[:-1] + b"x",
            "/cut": DETECTOR[: len(DETECTOR) // 2],
        }
        data = answers.get(self.path)
        self.send_response(404 if data is None else 200)
        self.send_header(
            "Content-Length", str(len(DETECTOR) if self.path == "/cut" else len(data or b""))
        )
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for module in (detection, fetching):
        monkeypatch.setattr(module, "YUNET_SHA256", sha256_bytes(DETECTOR))
    server = HTTPServer(("127.0.0.1", 0), partial(Zoo))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("address", ["whole", "moved"])
def test_the_detector_is_fetched_once(zoo: str, tmp_path: Path, address: str) -> None:
    path = tmp_path / "cache" / "yunet.onnx"
    assert fetching.fetch_detector(path, f"{zoo}/{address}").read_bytes() == DETECTOR
    fetching.fetch_detector(path, f"{zoo}/nowhere")
    path.write_bytes(b"damaged")
    fetching.fetch_detector(path, f"{zoo}/whole")
    assert path.read_bytes() == DETECTOR


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("pointer", "Git LFS pointer"),
        ("page", "web page"),
        ("other", "not the detector this project knows"),
        ("cut", "not the detector this project knows|cannot be fetched"),
        ("nowhere", "cannot be fetched"),
    ],
)
def test_anything_else_is_refused_and_what_was_there_stays(
    zoo: str, tmp_path: Path, address: str, words: str
) -> None:
    path = tmp_path / "yunet.onnx"
    path.write_bytes(b"older")
    with pytest.raises(ArtifactError, match=words):
        fetching.fetch_detector(path, f"{zoo}/{address}")
    assert [file.name for file in tmp_path.iterdir()] == ["yunet.onnx"]
    assert path.read_bytes() == b"older"


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"cannot be fetched(.|\n)*by hand"):
        fetching.fetch_detector(tmp_path / "yunet.onnx", "http://127.0.0.1:1/yunet.onnx")


def test_the_detector_lies_in_the_user_s_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fetching.detector_file() == tmp_path / "fer-dag" / "face_detection_yunet_2023mar.onnx"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (
        fetching.detector_file()
        == tmp_path / ".cache" / "fer-dag" / "face_detection_yunet_2023mar.onnx"
    )
