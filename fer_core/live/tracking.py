"""Which faces of one frame and the next are one person: boxes that overlap, else boxes that are
near.

Numbers live in memory only and mean "the same face as before", not who it is.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fer_core.live.specification import Track

__all__ = ["Box", "Tracker", "iou"]

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""

_SLACK = 1e-9  # times are sums of parts that have no exact binary form


@dataclass
class _Tracked:
    number: int
    box: Box
    seen: float


class Tracker:
    """Gives each face a number that it keeps.

    Args:
        rules: of the specification.

    Attributes:
        main: number of the main face: the largest when there was none, for as long as its number
            lives; None before the first face. It may be set to another living number.
    """

    def __init__(self, rules: Track) -> None:
        self.rules = rules
        self.main: int | None = None
        self._faces: list[_Tracked] = []
        self._next = 1

    @property
    def living(self) -> list[int]:
        """Numbers of the faces that were found lately."""
        return [face.number for face in self._faces]

    def update(self, time: float, boxes: Sequence[Box]) -> list[int]:
        """The number of each box of a frame.

        Faces that were not found for more than `keep_s` are forgotten first. Pairs of known faces
        and boxes are then taken one after another, each face and box once: the pair of the greatest
        overlap first, and when none overlaps enough the pair of the nearest centres. Equal pairs
        are taken by number, then by the order of the boxes. Boxes that remain get new numbers in
        their order.

        Args:
            time: of the frame in seconds; never less than before.
            boxes: of one frame.
        """
        self._faces = [
            face for face in self._faces if time - face.seen <= self.rules.keep_s + _SLACK
        ]
        numbers: dict[int, int] = {}
        for pairs in (self._overlapping, self._near):
            for face, index in _greedy(pairs(boxes), numbers):
                face.box, face.seen = boxes[index], time
                numbers[index] = face.number
        for index, box in enumerate(boxes):
            if index not in numbers:
                self._faces.append(_Tracked(self._next, box, time))
                numbers[index] = self._next
                self._next += 1
        if self.main not in self.living:
            largest = max(
                range(len(boxes)), key=lambda i: (boxes[i][2] * boxes[i][3], -i), default=None
            )
            self.main = None if largest is None else numbers[largest]
        return [numbers[index] for index in range(len(boxes))]

    def _overlapping(self, boxes: Sequence[Box]) -> Iterator[tuple[float, _Tracked, int]]:
        for face in self._faces:
            for index, box in enumerate(boxes):
                if (shared := iou(face.box, box)) >= self.rules.iou:
                    yield -shared, face, index

    def _near(self, boxes: Sequence[Box]) -> Iterator[tuple[float, _Tracked, int]]:
        for face in self._faces:
            for index, box in enumerate(boxes):
                longer, other = max(face.box[2:]), max(box[2:])
                distance = math.dist(_centre(face.box), _centre(box)) / max(longer, other)
                alike = min(longer, other) >= self.rules.size * max(longer, other)
                if alike and distance <= self.rules.distance:
                    yield distance, face, index


def _greedy(
    pairs: Iterable[tuple[float, _Tracked, int]], taken: dict[int, int]
) -> list[tuple[_Tracked, int]]:
    """The pairs of least cost, each face and each box once; those taken before stay so."""
    chosen: list[tuple[_Tracked, int]] = []
    faces, boxes = set(taken.values()), set(taken)
    for _, face, index in sorted(pairs, key=lambda pair: (pair[0], pair[1].number, pair[2])):
        if face.number not in faces and index not in boxes:
            faces.add(face.number)
            boxes.add(index)
            chosen.append((face, index))
    return chosen


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes; 0 where both are empty."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    union = one[2] * one[3] + other[2] * other[3] - shared
    return shared / union if union > 0 else 0.0


def _centre(box: Box) -> tuple[float, float]:
    return box[0] + box[2] / 2, box[1] + box[3] / 2
