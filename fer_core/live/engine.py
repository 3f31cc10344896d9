"""Frame in, faces out: detect, track, classify and smooth, one frame after another."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fer_core.base.labels import CLASSES
from fer_core.live.frames import Frame
from fer_core.live.smoothing import Smoother
from fer_core.live.specification import Specification
from fer_core.live.tracking import Tracker
from fer_core.pixels.framing import FaceBox, crop_face
from fer_core.predict.predictor import Predictor

__all__ = ["Analysed", "Detector", "Engine", "Face"]

_MOST_SKIPPED = 10


class Detector(Protocol):
    """What finds faces: YuNet, or a stand-in."""

    def detect(self, image: np.ndarray, longest_side: int | None = None) -> list[FaceBox]:
        """Faces of an RGB image, the largest first."""


@dataclass(frozen=True)
class Face:
    """A face in a frame.

    Attributes:
        track: its number, the same from frame to frame.
        place: 1 for the main face, 2, 3 … for the others from left to right.
        box: where it is.
        raw: class index of the answer for this frame alone.
        probabilities: of this frame, calibrated, float [7].
        label: class index that is shown; None for uncertain.
        smoothed: probabilities that are shown, float [7].
    """

    track: int
    place: int
    box: FaceBox
    raw: int
    probabilities: np.ndarray
    label: int | None
    smoothed: np.ndarray

    @property
    def name(self) -> str | None:
        """The label's name; None for uncertain."""
        return None if self.label is None else CLASSES[self.label]


@dataclass(frozen=True)
class Analysed:
    """What a frame shows, and what that took.

    Attributes:
        frame: as the source gave it.
        faces: in the order of their places.
        detect_ms: None where the frame was not searched.
        classify_ms: of preparation and network.
        total_ms: of everything.
    """

    frame: Frame
    faces: tuple[Face, ...]
    detect_ms: float | None
    classify_ms: float
    total_ms: float

    @property
    def main(self) -> Face | None:
        """The main face, if it is there."""
        return next((face for face in self.faces if face.place == 1), None)


class Engine:
    """The state of one session. Not for several threads at once.

    Args:
        predictor: the network.
        detector: finds faces.
        rules: to begin with.
        in_time: follow `detect.budget_ms`; without it every frame is searched unless
            `detect.every` says otherwise, so that the same file always gives the same answers.

    Attributes:
        rules: that it follows now.
    """

    def __init__(
        self,
        predictor: Predictor,
        detector: Detector,
        rules: Specification,
        *,
        in_time: bool = False,
    ) -> None:
        self._predictor, self._detector, self._in_time = predictor, detector, in_time
        self._tracker = Tracker(rules.track)
        self._smoothers: dict[int, Smoother] = {}
        self._found: list[tuple[int, FaceBox]] = []
        self._until_search = 0
        self._searched_at = -math.inf
        self._search_ms = self._other_ms = 0.0
        self.rules = rules

    def change_rules(self, rules: Specification) -> None:
        """Follow other rules from the next frame on; what is known of the faces stays."""
        self.rules = rules
        self._tracker.rules = rules.track
        for smoother in self._smoothers.values():
            smoother.rules = rules.smooth

    def choose_main(self, track: int) -> bool:
        """Make a face the main face; False where it is not there."""
        if track not in self._tracker.living:
            return False
        self._tracker.main = track
        return True

    def analyse(self, frame: Frame) -> Analysed:
        """Take in the next frame.

        Raises:
            DataError: the frame is no picture.
            ModelError: the network fails or gives no finite answer.
        """
        start = time.perf_counter()
        # without a search, a face that is only followed would be forgotten
        late = frame.time - self._searched_at >= self.rules.track.keep_s / 2
        searched = self._until_search <= 0 or late
        if searched:
            self._search(frame)
        found_at = time.perf_counter()
        faces = self._answers(frame, self._found)
        end = time.perf_counter()
        self._plan(searched, 1000 * (found_at - start), 1000 * (end - found_at))
        return Analysed(
            frame,
            faces,
            1000 * (found_at - start) if searched else None,
            1000 * (end - found_at),
            1000 * (end - start),
        )

    def _search(self, frame: Frame) -> None:
        self._searched_at = frame.time
        detect = self.rules.detect
        boxes = self._detector.detect(frame.image, detect.longest_side)[: detect.most_faces]
        places = [(box.left, box.top, box.width, box.height) for box in boxes]
        self._found = list(zip(self._tracker.update(frame.time, places), boxes, strict=True))
        living = set(self._tracker.living)
        self._smoothers = {
            track: smoother for track, smoother in self._smoothers.items() if track in living
        }

    def _plan(self, searched: bool, search_ms: float, other_ms: float) -> None:
        """When to search next: as often as the budget allows, by moving averages."""
        detect = self.rules.detect
        if searched:
            self._search_ms += 0.2 * (search_ms - self._search_ms) if self._search_ms else search_ms
        self._other_ms += 0.2 * (other_ms - self._other_ms) if self._other_ms else other_ms
        every: float = detect.every or 1
        if not detect.every and self._in_time:
            left = max(detect.budget_ms - self._other_ms, 1e-3)
            every = min(max(-(-self._search_ms // left), 1), _MOST_SKIPPED)
        self._until_search = int(every if searched else min(self._until_search, every)) - 1

    def _answers(self, frame: Frame, found: Sequence[tuple[int, FaceBox]]) -> tuple[Face, ...]:
        if not found:
            return ()
        margin = self.rules.detect.margin
        crops = [crop_face(frame.image, box, margin) for _, box in found]
        answers = self._predictor.predict(crops)
        faces = []
        for (track, box), raw, row in zip(found, answers.said, answers.probabilities, strict=True):
            smoother = self._smoothers.get(track)
            if smoother is None:
                smoother = self._smoothers[track] = Smoother(self.rules.smooth)
            smoothed = smoother.update(frame.time, row)
            faces.append((track, box, int(raw), row, smoother.label, smoothed))
        main = self._tracker.main
        faces.sort(key=lambda face: (face[0] != main, face[1].left, face[1].top, face[0]))
        first = 1 if faces[0][0] == main else 2
        return tuple(Face(face[0], first + place, *face[1:]) for place, face in enumerate(faces))
