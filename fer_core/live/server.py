"""The page's server: on this machine only, for those who know its address's token."""

import hmac
import json
import mimetypes
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fer_core.base.errors import BusyError, FerError
from fer_core.base.files import parse_json
from fer_core.live.board import Board

__all__ = ["CONTENT_SECURITY_POLICY", "PageServer"]

_HOST = "127.0.0.1"
_LONGEST_BODY = 65_536
_PULSE_S = 10.0
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".onnx": "application/octet-stream",
    ".webmanifest": "application/manifest+json",
}
_NO_PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>fer live</title>
<p>The page is not built here. <code>make setup</code> builds it; the session runs all the same.
"""


class PageServer:
    """Serves a session on 127.0.0.1 from a thread of its own.

    Args:
        board: of the session.
        page: folder of the built page; None where there is none.
        port: 0 takes a free one.

    Attributes:
        address: for the browser, with the token.
        asked: when the last request came, by `time.monotonic`.

    Raises:
        BusyError: another program uses the port.
    """

    def __init__(self, board: Board, page: Path | None, port: int = 0) -> None:
        self.board, self.page = board, page
        self.token = secrets.token_urlsafe(24)
        self.asked = monotonic()
        try:
            self._server = ThreadingHTTPServer((_HOST, port), self._handler)
        except OSError as error:
            raise BusyError(
                "The page's port cannot be used.",
                where=f"{_HOST}:{port}",
                found=error,
                remedy="leave --port out, or take another one",
            ) from error
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.hosts = (f"{_HOST}:{self.port}", f"localhost:{self.port}")
        self.address = f"http://{_HOST}:{self.port}/?token={self.token}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    def _handler(self, *arguments: Any) -> "_Request":
        return _Request(self, *arguments)

    def __enter__(self) -> "PageServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: HTTPStatus, problem: str) -> None:
        super().__init__(problem)
        self.status, self.problem = status, problem


class _Request(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "fer", ""
    timeout = 60

    def __init__(self, owner: PageServer, *arguments: Any) -> None:
        self._owner = owner
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Pages, events and pictures."""
        calls = {
            "/session": lambda: self._send_json(self._owner.board.state()),
            "/events": self._send_events,
            "/frame.jpg": self._send_picture,
        }
        self._answer(calls, self._send_file)

    def do_POST(self) -> None:
        """Wishes."""
        board = self._owner.board
        calls = {
            "/label": lambda: self._send_json(board.label(self._body())),
            "/settings": lambda: self._send_json(board.settings(self._body())),
            "/record": lambda: self._send_json(board.record(self._body())),
            "/score": lambda: self._answer_without_body(board.score),
            "/stop": lambda: self._answer_without_body(board.stop),
        }
        self._answer(calls, None)

    def _answer(
        self, calls: dict[str, Callable[[], None]], otherwise: Callable[[], None] | None
    ) -> None:
        self._owner.asked = monotonic()
        self._url = urlsplit(self.path)
        self._query = parse_qs(self._url.query)
        try:
            self._check_origin()
            call = calls.get(self._url.path)
            if call is not None:
                self._check_token()
            elif otherwise is not None:
                call = otherwise
            else:
                raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing here.")
            call()
        except _Refused as error:
            self._send_error(error.status, error.problem)
        except BusyError as error:
            self._send_error(HTTPStatus.CONFLICT, str(error))
        except FerError as error:
            self._send_error(HTTPStatus.BAD_REQUEST, str(error))
        except ConnectionError:  # the page was closed
            self.close_connection = True

    def _check_origin(self) -> None:
        """Other pages in the same browser must not reach this server, by whatever name."""
        if self.headers.get_all("Host", []) not in ([host] for host in self._owner.hosts):
            raise _Refused(HTTPStatus.FORBIDDEN, "This server answers only on this machine.")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in (f"http://{host}" for host in self._owner.hosts):
            raise _Refused(HTTPStatus.FORBIDDEN, "Another page may not ask this.")

    def _check_token(self) -> None:
        given = self.headers.get("X-Fer-Token") or self._query.get("token", [""])[0]
        if not hmac.compare_digest(given.encode(), self._owner.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "The token is wrong: open the address shown.")

    def _body(self) -> dict[str, Any]:
        kind, length = self.headers.get_content_type(), self.headers.get("Content-Length", "")
        if kind != "application/json" or not length.isdecimal():
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON with its length.")
        if int(length) > _LONGEST_BODY:
            self.close_connection = True
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This is too long.")
        try:
            value = parse_json(self.rfile.read(int(length)).decode())
        except ValueError as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"This is no JSON: {error}") from error
        if not isinstance(value, dict):
            raise _Refused(HTTPStatus.BAD_REQUEST, "Send an object.")
        return value

    def _send_events(self) -> None:
        """The newest result each time, until the session or the page ends."""
        self._start(HTTPStatus.OK, "text/event-stream", None)
        board, after = self._owner.board, -1
        while True:
            event = board.next_event(after, _PULSE_S)
            if event is not None:
                after = event["frame"]
                self._write_event(None, event)
            elif board.ended is not None:
                self._write_event("end", {"reason": board.ended})
                break
            else:
                self.wfile.write(b": still here\n\n")
            self._owner.asked = monotonic()
        self.close_connection = True

    def _write_event(self, kind: str | None, value: dict[str, Any]) -> None:
        head = f"event: {kind}\n" if kind else ""
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        self.wfile.write(f"{head}data: {text}\n\n".encode())
        self.wfile.flush()

    def _send_picture(self) -> None:
        number = self._query.get("n", [""])[0]
        if number and not (number.isascii() and number.isdecimal() and len(number) < 12):
            raise _Refused(HTTPStatus.BAD_REQUEST, "This is no number of a frame.")
        found = self._owner.board.picture(int(number) if number else None)
        if found is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "This frame is not kept.")
        self._send(HTTPStatus.OK, "image/jpeg", found[1], {"X-Frame": str(found[0])})

    def _send_file(self) -> None:
        """A file of the page; nothing outside its folder, by whatever path or link."""
        if self._owner.page is None:
            if self._url.path != "/":
                raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing here.")
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/html", _NO_PAGE)
            return
        folder = self._owner.page.resolve()
        name = unquote(self._url.path).lstrip("/") or "index.html"
        try:
            file = (folder / name).resolve()
            fits = file.is_relative_to(folder) and file.is_file() and "\0" not in name
        except (OSError, ValueError):
            fits = False
        if not fits:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing here.")
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
        self._send(HTTPStatus.OK, kind or "application/octet-stream", file.read_bytes())

    def _answer_without_body(self, answer: Callable[[], dict[str, Any]]) -> None:
        """Answer a wish that needs no body; one that comes all the same is read and left, so that
        the next request on the connection begins where it should.
        """
        length = self.headers.get("Content-Length", "0")
        self.rfile.read(min(int(length), _LONGEST_BODY) if length.isdecimal() else 0)
        self._send_json(answer())

    def _send_json(self, value: dict[str, Any]) -> None:
        self._send(HTTPStatus.OK, "application/json", json.dumps(value, allow_nan=False).encode())

    def _send_error(self, status: HTTPStatus, problem: str) -> None:
        if self.command == "POST":
            self.close_connection = True  # a body may be left unread
        self._send(status, "application/json", json.dumps({"error": problem}).encode())

    def _send(
        self, status: HTTPStatus, kind: str, data: bytes, more: dict[str, str] | None = None
    ) -> None:
        self._start(status, kind, len(data), more)
        self.wfile.write(data)

    def _start(
        self, status: HTTPStatus, kind: str, length: int | None, more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        text = kind.startswith("text/") or kind == "application/json"
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
        if length is None or self.close_connection:
            self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in {**_HEADERS, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the log is for people."""
