"""Signals during training: the step in progress ends, then the process exits with 128 + n.

An exit with status 0 would make DVC record a half-trained model as the result.
"""

import logging
import signal
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interruption"]

log = logging.getLogger(__name__)


class Interruption:
    """Context in which SIGINT and SIGTERM set a flag; `check` then ends the process."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number

    def check(self, finished_epochs: int) -> None:
        """Raise SystemExit(128 + n) if signal n has come."""
        if self._received is not None:
            name = signal.Signals(self._received).name
            log.warning("%s: stopped; %d finished epochs are kept, the same command goes on from there", name, finished_epochs)
            raise SystemExit(128 + self._received)
