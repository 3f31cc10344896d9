"""A recorded session as a source: its frames with the times and labels that they had, and the
session that another network makes of it.
"""

from collections.abc import Callable, Iterator

from fer_core.base.errors import DataError
from fer_core.live.engine import Detector, Engine
from fer_core.live.frames import Frame, Source
from fer_core.live.recorded import RecordedSession
from fer_core.live.scoring import Scored
from fer_core.live.session import SessionWriter
from fer_core.live.sources import VideoSource
from fer_core.predict.predictor import Predictor

__all__ = ["ReplaySource", "replayed", "replayed_labels"]


class ReplaySource(Source):
    """The clean video of a session.

    Args:
        session: it was recorded in.

    Raises:
        DataError: the session has no video, or the video does not belong to it.
    """

    kind, waits = "session", True

    def __init__(self, session: RecordedSession) -> None:
        self._video = VideoSource(session.video)
        first = session.facts["recorded"].get("first_frame", 0)
        start = next((i for i, number in enumerate(session.numbers) if number == first), None)
        if start is None:
            raise DataError(
                "The video does not belong to the frames of this session.",
                where=session.folder,
                found=f"a video from frame {first}",
                expected="one of the frames in per_frame.csv",
            )
        self._times = [
            (number, frame.time)
            for number, frame in zip(session.numbers[start:], session.frames[start:], strict=True)
        ]
        self.name, self.rate = str(session.folder), self._video.rate
        self.count = len(self._times)

    def frames(self) -> Iterator[Frame]:
        """Frames of the video, as long as both last."""
        for frame, (number, time) in zip(self._video.frames(), self._times, strict=False):
            yield Frame(number, time, frame.image)

    def close(self) -> None:
        """Let `frames` end."""
        self._video.close()


def replayed_labels(session: RecordedSession, writer: SessionWriter) -> Callable[[int], None]:
    """What gives a writer the label that each frame had."""
    labels = _labels(session)

    def give(index: int) -> None:
        label = labels[index]
        writer.label(None if label < 0 else label)

    return give


def replayed(session: RecordedSession, predictor: Predictor, detector: Detector) -> RecordedSession:
    """The session as a network would have answered it, by the rules that it had; nothing is
    written.

    Raises:
        DataError: as `ReplaySource`.
    """
    labels, engine = _labels(session), Engine(predictor, detector, session.rules)
    found = RecordedSession(session.folder, session.facts, session.rules)
    for frame in ReplaySource(session).frames():
        main, manual = engine.analyse(frame).main, labels[frame.index]
        found.numbers.append(frame.index)
        if main is None:
            found.frames.append(Scored(frame.time, manual, -1, -1))
            continue
        shown = -1 if main.label is None else main.label
        answers = (tuple(map(float, row)) for row in (main.probabilities, main.smoothed))
        found.frames.append(Scored(frame.time, manual, main.raw, shown, *answers))
    return found


def _labels(session: RecordedSession) -> dict[int, int]:
    """Label that a person gave each frame, by its number; -1 for none."""
    return {
        number: frame.manual for number, frame in zip(session.numbers, session.frames, strict=True)
    }
