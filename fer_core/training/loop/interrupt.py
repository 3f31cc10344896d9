"""Signals during training: the step in progress ends, then the process exits with 128 + n.

An exit with status 0 would make DVC record a half-trained model as the result. In a group of
processes a signal to any of them ends all after the same step, and so does the end of the process
that started them. A run whose `fer run` is gone stops as well: nobody would see it work, and the
next `fer run` would wait for it.
"""

import logging
import os
import signal
from types import FrameType, TracebackType
from typing import Any

from fer_core.base.processes import run_has_ended
from fer_core.models.devices import distributed

__all__ = ["Interruption"]

log = logging.getLogger(__name__)


class Interruption:
    """Context in which SIGINT, SIGTERM and SIGHUP (unless nohup has it ignored) set a flag; `check`
    then ends the process.
    """

    def __init__(self) -> None:
        self._received = 0
        self._parent = os.getppid()
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number

    def check(self, finished_epochs: int) -> None:
        """Raise SystemExit(128 + n) if signal n has come."""
        if run_has_ended() or (distributed.size() > 1 and os.getppid() != self._parent):
            self._received = signal.SIGTERM
        if received := distributed.highest(self._received):
            if distributed.is_first():
                name = signal.Signals(received).name
                log.warning(
                    "%s: stopped; %d finished epochs are kept, the same command goes on from there",
                    name,
                    finished_epochs,
                )
            raise SystemExit(128 + received)
