"""The loop of a session: every frame analysed and written, until the source or a person ends it."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from fer_core.base.errors import FerError
from fer_core.live.engine import Analysed, Engine
from fer_core.live.frames import Source
from fer_core.live.session import SessionWriter

__all__ = ["Watch"]


class Watch:
    """One session from its first frame to its last.

    Args:
        source: of frames.
        engine: analyses them.
        writer: writes them down.

    Attributes:
        before: is called with the next frame's number before it is analysed: what people asked for
            in the meantime is done there.
    """

    def __init__(self, source: Source, engine: Engine, writer: SessionWriter) -> None:
        self.source, self.engine, self.writer = source, engine, writer
        self.before: Callable[[int], object] = lambda index: None
        self._reason: str | None = None

    def stop(self, reason: str) -> None:
        """End before the next frame; from any thread, and from a signal."""
        self._reason = self._reason or reason
        self.source.close()

    def results(self) -> Iterator[Analysed]:
        """Every frame once, written before it is given.

        Raises:
            FerError: source, network or disk fail; the session is closed, and whole up to there.
        """
        reason = "left"
        try:
            for frame in self.source.frames():
                if self._reason is not None:
                    break
                self.before(frame.index)
                result = self.engine.analyse(frame)
                self.writer.write(result)
                yield result
            reason = self._reason or "end of the source"
        except FerError as error:
            reason = error.problem
            raise
        finally:
            self.source.close()
            self._close(reason)

    def _close(self, reason: str) -> None:
        """The summaries; an error on the way is not hidden by another one."""
        if sys.exc_info()[0] is None:
            self.writer.close(reason)
        else:
            with contextlib.suppress(FerError):
                self.writer.close(reason)
