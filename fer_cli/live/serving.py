"""A session with its page: the server, the browser, and the loop between them."""

import logging
import os
import sys
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from fer_core.base.errors import FerError
from fer_core.base.signals import caught_signals
from fer_core.live.board import Board
from fer_core.live.engine import Analysed
from fer_core.live.server import PageServer
from fer_core.live.watching import Watch
from fer_core.predict.fetching import shipped

__all__ = ["page_folder", "serve"]

_PAGES = (Path("web/dist"), Path("data/web"))
_QUIET_S = 30.0

log = logging.getLogger(__name__)


def page_folder() -> Path | None:
    """Where the built page is; None where it is not."""
    code = Path(__file__).parents[2]
    places = [*_PAGES, *(code / place for place in _PAGES), shipped("page")]
    return next((place for place in places if (place / "index.html").is_file()), None)


def serve(session: Watch, port: int, browser: bool, quiet: float = _QUIET_S) -> Iterator[Analysed]:
    """Results while a page shows them; afterwards the page may still ask for the score.

    Args:
        session: to run.
        port: of the server; 0 takes a free one.
        browser: open one where there is a screen.
        quiet: seconds without a request after which an ended session lets go of the port.
    """
    board = Board(session)
    with PageServer(board, page_folder(), port) as server:
        log.info("the page: %s (this machine only; ctrl-c ends the session)", server.address)
        if browser and _has_screen():
            webbrowser.open(server.address)
        interrupted: list[int] = []

        def interrupt(number: int) -> None:
            interrupted.append(number)
            session.stop("interrupted")

        with caught_signals(interrupt):
            reason = "end of the source"
            try:
                for result in session.results():
                    board.show(result)
                    yield result
            except FerError as error:
                reason = error.problem
                raise
            finally:
                board.end("interrupted" if interrupted else reason)
            while not interrupted and time.monotonic() - server.asked < quiet:
                time.sleep(0.05)


def _has_screen() -> bool:
    return sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
