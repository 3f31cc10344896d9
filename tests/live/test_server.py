import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fer_core.base.errors import BusyError
from fer_core.live.board import Board
from fer_core.live.recorded import read_session
from fer_core.live.server import CONTENT_SECURITY_POLICY, PageServer
from fer_core.live.sources import PacedSource
from tests.live.acting import Clip, acted


class Running:
    """A session of a clip, with its server."""

    def __init__(self, folder: Path) -> None:
        (folder / "page" / "assets").mkdir(parents=True)
        (folder / "page" / "index.html").write_text("<!doctype html>the page")
        (folder / "page" / "assets" / "engine.wasm").write_bytes(b"\0asm")
        (folder / "page" / "leak").symlink_to("/etc")
        (folder / "secret.txt").write_text("secret")
        self.watch = acted(folder / "session", PacedSource(Clip([3] * 2000, rate=100)))
        self.board = Board(self.watch)
        self.server = PageServer(self.board, folder / "page")
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for result in self.watch.results():
            self.board.show(result)
        self.board.end("end of the source")

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str | None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """A request with the right host and token unless headers say otherwise."""
        given: dict[str, str | None] = {
            "Host": self.server.hosts[0],
            "X-Fer-Token": self.server.token,
            "Content-Type": None if body is None else "application/json",
        }
        for name, value in headers.items():
            given[name.replace("_", "-")] = value
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=5)
        connection.putrequest(method, path, skip_host=True)
        data = (
            None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        )
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        if data is not None:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        answer = connection.getresponse()
        return answer, b"" if path.startswith("/events") else answer.read()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        answer, data = self.ask(method, path, body)
        assert answer.status == 200, data
        return json.loads(data)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path)
    with one.server:
        one.thread.start()
        one.board.next_event(-1, 5)
        yield one
        one.watch.stop("end of the test")
        one.thread.join()


def test_page_has_the_headers_that_keep_it_alone(running: Running) -> None:
    answer, data = running.ask("GET", "/", X_Fer_Token=None)
    assert answer.status == 200 and data == b"<!doctype html>the page"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "connect-src 'self'" in CONTENT_SECURITY_POLICY
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert answer.headers["Set-Cookie"] is None
    assert (
        running.ask("GET", "/assets/engine.wasm")[0].headers["Content-Type"] == "application/wasm"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/%00",
        "//etc/passwd",
        "/leak/passwd",
        "/assets",
        "/nothing",
        "/" + "x" * 5000,
    ],
)
def test_nothing_outside_the_page_is_given(running: Running, path: str) -> None:
    answer, data = running.ask("GET", path)
    assert answer.status == 404 and b"secret" not in data and b"root" not in data


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": None},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"X_Fer_Token": "wrong"},
        {"X_Fer_Token": None},
    ],
)
def test_others_are_refused(running: Running, headers: dict[str, str | None]) -> None:
    for method, path in (("GET", "/session"), ("GET", "/frame.jpg"), ("POST", "/label")):
        body = {"label": "Sad"} if method == "POST" else None
        answer, data = running.ask(method, path, body, **headers)
        assert answer.status == 403 and json.loads(data)["error"]
    assert running.json("GET", "/session")["manual"] is None


def test_the_token_may_be_in_the_address(running: Running) -> None:
    answer, _ = running.ask("GET", f"/session?token={running.server.token}", X_Fer_Token=None)
    assert answer.status == 200
    assert running.server.address.startswith(f"http://127.0.0.1:{running.server.port}/?token=")


def test_the_session_says_what_it_is(running: Running) -> None:
    state = running.json("GET", "/session")
    assert state["mode"] == "server" and state["classes"][3] == "Happy"
    assert state["model"]["name"] == "acting" and state["specification"]["smooth"]["tau_s"] == 0.15
    assert not state["ended"] and not state["recording"]


def _events(answer: http.client.HTTPResponse, count: int) -> list[dict[str, Any]]:
    found = []
    while len(found) < count:
        line = answer.readline()
        if line.startswith(b"data: "):
            found.append(json.loads(line[6:]))
    return found


def test_events_carry_every_frame_s_faces_and_pictures_belong_to_them(running: Running) -> None:
    answer, _ = running.ask("GET", "/events")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events = _events(answer, 3)
    numbers = [event["frame"] for event in events]
    assert numbers == sorted(set(numbers))
    (face,) = events[-1]["faces"]
    assert face["raw"] == face["label"] == "Happy" and face["box"] == [20, 10, 30, 30]
    assert len(face["p"]) == len(face["p_smoothed"]) == 7 and face["face"] == 1
    answer, data = running.ask("GET", f"/frame.jpg?n={numbers[-1]}")
    assert answer.headers["X-Frame"] == str(numbers[-1])
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (60, 80, 3)
    assert running.ask("GET", "/frame.jpg")[0].status == 200
    assert running.ask("GET", "/frame.jpg?n=999999")[0].status == 404
    assert running.ask("GET", "/frame.jpg?n=-1")[0].status == 400


def test_labels_typed_in_the_page_become_rows(running: Running) -> None:
    assert running.json("POST", "/label", {"label": "Happy", "track": 1}) == {"label": "Happy"}
    answer, _ = running.ask("GET", "/events")
    assert _events(answer, 2)[-1]["manual"] == "Happy"
    running.json("POST", "/label", {"label": None})
    assert running.json("POST", "/score")["frames_with_manual"] >= 1, "the frame of that event"
    folder = Path(running.json("POST", "/stop")["folder"])
    rows = (folder / "events.csv").read_text().splitlines()
    assert len(rows) == 2 and rows[1].startswith("Happy,") and rows[1].endswith(",manual")
    assert any(frame.manual == 3 for frame in read_session(folder).frames)
    for path, body in (("/label", {"label": "Sad"}), ("/settings", {}), ("/record", {"on": True})):
        answer, data = running.ask("POST", path, body)
        assert answer.status == 409 and b"is over" in data
    answer, _ = running.ask("GET", "/events")
    assert answer.read().rstrip().split(b"\n")[-2] == b"event: end"


def test_settings_are_checked_and_kept(running: Running) -> None:
    rules = running.json("POST", "/settings", {"smooth": {"tau_s": 0.1}})
    assert rules["smooth"]["tau_s"] == 0.1 and rules["smooth"]["enter"] == 0.4
    for wrong in ({"smooth": {"tau_s": -1}}, {"tau": 1}, {"smooth": {"minimum": 90}}):
        assert running.ask("POST", "/settings", wrong)[0].status == 400
    folder = Path(running.json("POST", "/stop")["folder"])
    assert read_session(folder).rules.smooth.tau_s == 0.1


def test_recording_begins_and_ends_once(running: Running) -> None:
    running.json("POST", "/record", {"on": True})
    answer, _ = running.ask("GET", "/events")
    assert _events(answer, 2)[-1]["recording"]
    running.json("POST", "/record", {"on": False})
    assert running.ask("POST", "/record", {"on": True})[0].status == 409
    folder = Path(running.json("POST", "/stop")["folder"])
    assert read_session(folder).video.is_file()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/label", {"label": "Glad"}, 400),
        ("/label", {"label": ["Sad"]}, 400),
        ("/label", {"label": "Sad", "track": 99}, 400),
        ("/label", {}, 400),
        ("/label", [1], 400),
        ("/label", b"{", 400),
        ("/label", b"[" * 60_000, 400),
        ("/label", b" " * 70_000, 413),
        ("/record", {"on": 1}, 400),
        ("/nothing", {}, 404),
        ("/", {}, 404),
    ],
)
def test_wishes_that_make_no_sense_are_refused(
    running: Running, path: str, body: Any, status: int
) -> None:
    answer, data = running.ask("POST", path, body)
    assert answer.status == status and json.loads(data)["error"]


def test_a_form_of_another_page_is_no_json(running: Running) -> None:
    assert (
        running.ask("POST", "/label", {"label": "Sad"}, Content_Type="text/plain")[0].status == 415
    )


def test_without_a_page_the_session_runs_and_says_so(tmp_path: Path) -> None:
    board = Board(acted(tmp_path / "session", Clip([1])))
    with PageServer(board, None) as server:
        one = Running.__new__(Running)
        one.server = server
        answer, data = one.ask("GET", "/")
        assert answer.status == 503 and b"make setup" in data
        assert one.ask("GET", "/secret")[0].status == 404


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    board = Board(acted(tmp_path / "session", Clip([1])))
    with PageServer(board, None) as server, pytest.raises(BusyError, match=str(server.port)):
        PageServer(board, None, server.port)
