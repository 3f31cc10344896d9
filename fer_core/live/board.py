"""What a page may see and ask of a running session, shared by threads: the newest results, the last
pictures, and wishes that the session's own thread carries out between frames.
"""

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

from fer_core.base.errors import BusyError, DataError, FerError
from fer_core.base.labels import CLASSES, INDEX
from fer_core.live.engine import Analysed
from fer_core.live.recorded import read_session, score_session
from fer_core.live.watching import Watch
from fer_core.pixels.opencv import cv2

__all__ = ["Board"]

_MOST_PICTURES, _MOST_BYTES = 30, 64_000_000
_PATIENCE_S = 10.0


class Board:
    """Between a session and the threads of its server.

    Args:
        watch: the session; its `before` carries out wishes from now on.

    Attributes:
        ended: why the session is over; None while it runs.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._news = threading.Condition()
        self._event: dict[str, Any] | None = None
        self._pictures: OrderedDict[int, np.ndarray] = OrderedDict()
        self._wishes: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self.ended: str | None = None
        watch.before = lambda index: self._carry_out()

    # the session's side

    def show(self, result: Analysed) -> None:
        """The newest result."""
        event = self._as_event(result)
        with self._news:
            self._event = event
            self._pictures[result.frame.index] = result.frame.image
            most = max(1, min(_MOST_PICTURES, _MOST_BYTES // result.frame.image.nbytes))
            while len(self._pictures) > most:
                self._pictures.popitem(last=False)
            self._news.notify_all()

    def end(self, reason: str) -> None:
        """The session is over; wishes that nobody will carry out are refused."""
        with self._news:
            self.ended = reason
            self._news.notify_all()
        self._carry_out()

    def _carry_out(self) -> None:
        while True:
            try:
                wish, answer = self._wishes.get_nowait()
            except queue.Empty:
                return
            try:
                if self.ended is not None:
                    raise BusyError("This session is over.", found=self.ended)
                answer.set_result(wish())
            except FerError as error:
                answer.set_exception(error)

    def _as_event(self, result: Analysed) -> dict[str, Any]:
        writer = self._watch.writer
        frame = result.frame
        return {
            "frame": frame.index,
            "time": round(frame.time, 6),
            "width": frame.image.shape[1],
            "height": frame.image.shape[0],
            "faces": [
                {
                    "id": face.track,
                    "face": face.place,
                    "box": [face.box.left, face.box.top, face.box.width, face.box.height],
                    "raw": CLASSES[face.raw],
                    "label": face.name,
                    "p": [round(float(value), 6) for value in face.probabilities],
                    "p_smoothed": [round(float(value), 6) for value in face.smoothed],
                }
                for face in result.faces
            ],
            "manual": None if writer.manual is None else CLASSES[writer.manual],
            "recording": writer.recording,
            "dropped": frame.dropped,
            "ms": {
                "detect": None if result.detect_ms is None else round(result.detect_ms, 3),
                "classify": round(result.classify_ms, 3),
                "total": round(result.total_ms, 3),
            },
        }

    # the server's side

    def next_event(self, after: int, timeout: float) -> dict[str, Any] | None:
        """The newest result if it is later than frame `after`; waits for one, and gives None when
        the session is over or none came in time.
        """
        with self._news:
            self._news.wait_for(lambda: self.ended is not None or self._later(after), timeout)
            return self._event if self._later(after) else None

    def _later(self, after: int) -> bool:
        return self._event is not None and self._event["frame"] > after

    def picture(self, number: int | None) -> tuple[int, bytes] | None:
        """Number and JPEG of a frame, or of the newest one; None where it is not kept."""
        with self._news:
            if number is None:
                number = next(reversed(self._pictures), None)
            image = None if number is None else self._pictures.get(number)
        if number is None or image is None:
            return None
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        return number, data.tobytes()

    def state(self) -> dict[str, Any]:
        """What a page needs to know at its start."""
        writer = self._watch.writer
        return {
            "mode": "server",
            "version": 1,
            "classes": list(CLASSES),
            **writer.facts,
            "specification": self._watch.engine.rules.to_dict(),
            "recording": writer.recording,
            "folder": str(writer.folder),
            "ended": self.ended is not None,
            "manual": None if writer.manual is None else CLASSES[writer.manual],
        }

    def label(self, value: dict[str, Any]) -> dict[str, Any]:
        """{"label": name or null} and perhaps {"track": number}: what the main face shows.

        Raises:
            DataError: no such label or face.
        """
        name, track = value.get("label"), value.get("track")
        if name is not None and (not isinstance(name, str) or name not in INDEX):
            raise DataError("A label is none of the seven.", found=name, expected=list(CLASSES))
        if set(value) - {"label", "track"} or "label" not in value:
            raise DataError("This is no label.", found=sorted(value), expected="label, track")

        def wish() -> dict[str, Any]:
            if track is not None and not self._watch.engine.choose_main(track):
                raise DataError("There is no such face any more.", found=track)
            self._watch.writer.label(None if name is None else INDEX[name])
            return {"label": name}

        return self._ask(wish)

    def settings(self, value: dict[str, Any]) -> dict[str, Any]:
        """Some rules; gives all.

        Raises:
            ParamsError: they do not fit.
        """

        def wish() -> dict[str, Any]:
            rules = self._watch.engine.rules.changed(value)
            self._watch.engine.change_rules(rules)
            self._watch.writer.change_rules(rules)
            return rules.to_dict()

        return self._ask(wish)

    def record(self, value: dict[str, Any]) -> dict[str, Any]:
        """{"on": true or false}.

        Raises:
            DataError: neither.
            BusyError: the session's video has ended.
        """
        on = value.get("on")
        if not isinstance(on, bool):
            raise DataError("Recording is on or off.", found=on, expected="true or false")

        def wish() -> dict[str, Any]:
            self._watch.writer.record(on)
            return {"recording": on}

        return self._ask(wish)

    def score(self) -> dict[str, Any]:
        """The score of the session so far."""
        return score_session(read_session(self._watch.writer.folder))

    def stop(self) -> dict[str, Any]:
        """End the session; its files are whole afterwards."""
        self._watch.stop("stopped on the page")
        with self._news:
            self._news.wait_for(lambda: self.ended is not None, _PATIENCE_S)
        return {"folder": str(self._watch.writer.folder)}

    def _ask(self, wish: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Have the session's thread do it before the next frame.

        Raises:
            BusyError: the session is over, or gets no frames.
        """
        if self.ended is not None:
            raise BusyError("This session is over.", found=self.ended)
        answer: Future[dict[str, Any]] = Future()
        self._wishes.put((wish, answer))
        try:
            return answer.result(_PATIENCE_S)
        except TimeoutError as error:
            raise BusyError("The session gets no frames.", remedy="look at the camera") from error
