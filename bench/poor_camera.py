"""Sessions before a poor camera in a dark room: still faces, shown dark, blurred, noisy, with a
colour cast and at changing places and sizes, and recorded as `fer live` records them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_cli.live.setting import prepare
from fer_core.live.frames import Frame, Source
from fer_core.live.session import SessionWriter
from fer_core.live.specification import Specification
from fer_core.pixels.opencv import cv2

__all__ = [
    "FACE",
    "POOR",
    "SECONDS",
    "SEED",
    "SESSIONS",
    "SHARE",
    "Light",
    "Pictures",
    "face_in",
    "record",
    "seen",
]

RATE, SECONDS, SEED, SIDE = 10, 24, 1337, (320, 240)
SESSIONS = {"train": 4, "val": 2, "test": 6}
SHARE = sum(SESSIONS.values())
_LEFT, _TOP, FACE = 85, 45, 150


@dataclass(frozen=True)
class Light:
    """How a camera shows what is before it.

    Attributes:
        blur: standard deviation of the blur, in pixels; 0 for none.
        gamma: of all colours; above 1 is darker.
        colours: factors of red, green and blue.
        noise: standard deviation of each pixel's noise, of 255.
    """

    blur: float = 0.0
    gamma: float = 1.0
    colours: tuple[float, float, float] = (1.0, 1.0, 1.0)
    noise: float = 0.0


POOR = Light(2.0, 1.6, (0.75, 0.6, 0.45), 10.0)


@dataclass(frozen=True)
class Pictures:
    """Faces, RGB, with their labels and clusters: equal numbers for faces that belong together."""

    images: list[np.ndarray]
    labels: np.ndarray
    clusters: np.ndarray

    def of(self, places: np.ndarray) -> "Pictures":
        images = [self.images[place] for place in places]
        return Pictures(images, self.labels[places], self.clusters[places])


class _Camera(Source):
    """Each face for 1 to 2.5 s, as a poor camera in a dark room shows it.

    Attributes:
        labels: of the frames so far.
    """

    kind, name, waits, rate = "clip", "scripted", True, float(RATE)

    def __init__(self, pictures: Pictures, seed: int) -> None:
        self._pictures, self._rng = pictures, np.random.default_rng(seed)
        self.labels: list[int] = []

    def frames(self) -> Iterator[Frame]:
        rng, index = self._rng, 0
        for picture, label in zip(self._pictures.images, self._pictures.labels, strict=True):
            face, place = cv2.resize(picture, (FACE, FACE)), np.zeros(3)
            for _ in range(int(RATE * rng.uniform(1, 2.5))):
                if index >= RATE * SECONDS:
                    return
                place = 0.9 * place + rng.normal(0, (1.5, 1.5, 1.0))
                self.labels.append(int(label))
                yield Frame(index, index / RATE, seen(face, place, rng, POOR))
                index += 1

    def close(self) -> None:
        """It holds nothing."""


def seen(face: np.ndarray, place: np.ndarray, rng: np.random.Generator, light: Light) -> np.ndarray:
    """A camera's frame of one face, uint8 RGB [240, 320, 3].

    Args:
        face: uint8 RGB [150, 150, 3].
        place: how far it is moved to the right and down, in pixels, and enlarged, in sixtieths.
        rng: of the noise.
        light: how the camera shows it.
    """
    zoom = 1 + place[2] / 60
    moved = np.array([[zoom, 0, _LEFT + place[0]], [0, zoom, _TOP + place[1]]], np.float32)
    image = cv2.warpAffine(
        face, moved, SIDE, borderMode=cv2.BORDER_CONSTANT, borderValue=(110,) * 3
    )
    if light.blur:
        image = cv2.GaussianBlur(image, (0, 0), light.blur)
    shown = 255 * (image.astype(np.float64) / 255) ** light.gamma * light.colours
    return np.clip(shown + rng.normal(0, light.noise, image.shape), 0, 255).astype(np.uint8)


def face_in(frame: np.ndarray) -> np.ndarray:
    """The part of a frame where an unmoved face is, uint8 [150, 150, 3]."""
    return frame[_TOP : _TOP + FACE, _LEFT : _LEFT + FACE]


def record(shown: Pictures, model: Path, root: Path) -> None:
    """Sessions of pictures that no other session shows."""
    parts = np.array_split(np.random.default_rng(SEED).permutation(len(shown.labels)), SHARE)
    setting, number = prepare(model, Specification()), 0
    for split, count in SESSIONS.items():
        for _ in range(count):
            source = _Camera(shown.of(parts[number]), number)
            watch = setting.watch(source, root / split / f"s{number:02d}")
            watch.writer.record(True)
            watch.before = _labelling(source, watch.writer)
            deque(watch.results(), maxlen=0)
            number += 1


def _labelling(source: _Camera, writer: SessionWriter) -> Callable[[int], None]:
    return lambda index: writer.label(source.labels[index])
