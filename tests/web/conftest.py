"""A page with a tiny network, put together once, and Node to test it with."""

import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fer_core.base.errors import ArtifactError
from fer_core.live.specification import Specification
from fer_core.predict.fetching import detector_file
from fer_core.web.build import node
from fer_core.web.bundle import find_bundle
from fer_core.web.page import write_page
from tests.exports import Exported, exported

__all__ = ["exported"]

ROOT = Path(__file__).parents[2]


def lacking(what: str) -> None:
    """Skip, but in CI fail: there everything is installed."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def run_node(*arguments: str | Path, **environment: str) -> str:
    """Run Node in the project's root; what it printed comes back."""
    try:
        program = node()
        find_bundle(ROOT / "web")
    except ArtifactError as error:
        lacking(f"{error.problem} `make setup` does what is needed")
    if not (ROOT / "web" / "node_modules").is_dir():
        lacking("web/node_modules is missing; `make setup` installs it")
    done = subprocess.run(
        [program, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory, exported: Exported) -> Path:
    """The built page with the tiny network; do not change it."""
    return make_page(tmp_path_factory.mktemp("pages") / "page", exported.files["fp32"])


def make_page(folder: Path, network: Path) -> Path:
    """The built page with a network."""
    folder.mkdir()
    try:
        find_bundle(ROOT / "web")
    except ArtifactError as error:
        lacking(f"{error.problem} `make setup` builds it")
    trained_on, root = ["sample_expw"], ROOT / "web"
    write_page(folder, network, detector_file(), Specification(), "tiny", trained_on, root)
    return folder


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(page: Path) -> Iterator[str]:
    """Of a static server for the page, as anyone may use."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=page))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def chromium() -> str:
    """Chromium's program."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None:
        lacking("Chromium is not installed; `.ci/run` installs it")
    assert found is not None
    return found
