"""Stand-ins: a network that answers by colour, a detector that knows where faces are, and clips."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from fer_core.base.labels import N_CLASSES
from fer_core.live.engine import Engine
from fer_core.live.frames import Frame, Source
from fer_core.live.session import SessionWriter
from fer_core.live.specification import Specification
from fer_core.live.watching import Watch
from fer_core.predict.detection import FaceBox
from fer_core.predict.predictor import Predictions

FACTS = {
    "model": {"name": "acting", "path": "acting.onnx", "sha256": "a" * 64},
    "detector": {"name": "acting", "sha256": "b" * 64},
    "source": {"kind": "clip", "name": "=clip"},
}
BOX = FaceBox(20, 10, 30, 30, 0.9)
STEP = 30


@dataclass
class ActingPredictor:
    """Class 0 for dark crops up to class 6 for bright ones, in steps of `STEP` grey levels."""

    sharpness: float = 4.0
    metadata: SimpleNamespace = field(default_factory=SimpleNamespace)

    def predict(self, images: Sequence[np.ndarray]) -> Predictions:
        shown = np.array([image.mean() / STEP for image in images])
        logits = self.sharpness * -((np.arange(N_CLASSES) - shown[:, None]) ** 2)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        return Predictions(rows, logits.astype(np.float32))


@dataclass
class ActingDetector:
    """Finds the boxes that it is given, one list a frame, and after them the last again."""

    boxes: list[list[FaceBox]] = field(default_factory=lambda: [[BOX]])
    searched: int = 0

    def detect(self, image: np.ndarray, longest_side: int | None = None) -> list[FaceBox]:
        found = self.boxes[min(self.searched, len(self.boxes) - 1)]
        self.searched += 1
        return found


class Clip(Source):
    """Grey frames that show one class after another."""

    kind, name, waits = "clip", "=clip", True

    def __init__(self, classes: Sequence[int], rate: float = 10.0) -> None:
        self.classes, self.rate, self.count = classes, rate, len(classes)
        self.closed = False

    def frames(self) -> Iterator[Frame]:
        for index, label in enumerate(self.classes):
            if self.closed:
                return
            yield Frame(index, index / (self.rate or 1), grey(label))

    def close(self) -> None:
        self.closed = True


def grey(label: int, width: int = 80, height: int = 60) -> np.ndarray:
    return np.full((height, width, 3), label * STEP, np.uint8)


def acted(
    folder: Path,
    source: Source,
    detector: ActingDetector | None = None,
    rules: Specification | None = None,
) -> Watch:
    """A session with stand-ins."""
    rules = rules or Specification()
    engine = Engine(ActingPredictor(), detector or ActingDetector(), rules)  # type: ignore[arg-type]
    return Watch(source, engine, SessionWriter(folder, FACTS, rules))


def write_clip(path: Path, classes: Sequence[int], rate: float = 10.0) -> Path:
    """A video of grey frames."""
    code = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    video = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate, (80, 60))
    for label in classes:
        video.write(grey(label))
    video.release()
    return path
