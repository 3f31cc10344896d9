"""Faces in a photo, found by YuNet (Wu, Peng and Yu, "YuNet: a tiny millisecond-level face
detector", 2023) through OpenCV.

The detector's file comes with a package that this project requires, or users bring it; only the
file of the known hash is run.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_bytes
from fer_core.pixels.framing import MARGIN, FaceBox, crop_face
from fer_core.pixels.opencv import cv2
from fer_core.predict.images import check_rgb

__all__ = [
    "MARGIN",
    "YUNET_NAME",
    "YUNET_SHA256",
    "FaceBox",
    "YuNet",
    "check_detector",
    "crop_face",
    "read_detector",
    "shrunk_to",
]

YUNET_NAME = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

_SCORE, _OVERLAP, _CANDIDATES = 0.7, 0.3, 5000
_LARGEST, _SMALLEST = 2560, 480
_LEAST_SIDE = 12
"""Shorter side in pixels of an image that may hold a face: on less YuNet answers at random."""
_MOST_OF_IMAGE = 1.5


class YuNet:
    """The detector, ready to run; threads may share it, and take turns.

    Args:
        path: the detector's file.
        score: least confidence of a face that is reported.
        overlap: of boxes that share more (intersection over union) the best one is reported.

    Raises:
        ArtifactError: no file, or not the file of the known hash.
    """

    def __init__(self, path: Path, score: float = _SCORE, overlap: float = _OVERLAP) -> None:
        self._made_from = (path, score, overlap)
        model = np.frombuffer(read_detector(path), dtype=np.uint8)
        no_config = np.zeros(0, dtype=np.uint8)
        self._overlap = overlap
        self._detector = cv2.FaceDetectorYN.create(
            "onnx", model, no_config, (320, 320), score, overlap, _CANDIDATES
        )
        self._turn = threading.Lock()

    def __reduce__(self) -> tuple[type["YuNet"], tuple[Path, float, float]]:
        return YuNet, self._made_from

    def detect(self, image: np.ndarray, longest_side: int | None = None) -> list[FaceBox]:
        """Faces of an RGB image, uint8 [H, W, 3], the largest first.

        YuNet was made for faces of about 10 to 300 pixels, so it looks at the image in several
        sizes: with a longer side of at most 2,560 pixels, and at each half of that down to 480 or
        less. A smaller image is looked at once, as it is; nothing is enlarged. Of boxes that
        overlap, the one of the highest score stays.

        Args:
            image: to search.
            longest_side: look once, at a copy of at most this many pixels a side; for video.

        Raises:
            DataError: the image is not uint8 [H, W, 3].
        """
        image = check_rgb(image)
        if min(image.shape[:2]) < _LEAST_SIDE:
            return []
        levels = _levels(image) if longest_side is None else [shrunk_to(image, longest_side)]
        found = np.concatenate([self._boxes(level, image.shape) for level in levels])
        corners, scores = found[:, :4], found[:, 4]
        kept = (
            cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), 0.0, self._overlap)
            if len(found)
            else []
        )
        boxes = []
        for index in kept:
            left, top, width, height = (round(value) for value in corners[index].tolist())
            boxes.append(FaceBox(left, top, width, height, float(scores[index])))
        return sorted(
            (box for box in boxes if box.width > 0 and box.height > 0),
            key=lambda box: (-box.area, box.left, box.top),
        )

    def _boxes(self, level: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Boxes and scores in one size of the image, in pixels of the image itself: float64 [N, 5].

        On images of a few pixels a side YuNet answers with infinite boxes and with some far beyond
        the image; these are left out.
        """
        height, width = level.shape[:2]
        pixels = cv2.cvtColor(level, cv2.COLOR_RGB2BGR)
        with self._turn:
            self._detector.setInputSize((width, height))
            _, found = self._detector.detect(pixels)
        rows = np.zeros((0, 5)) if found is None else found[:, [0, 1, 2, 3, -1]].astype(np.float64)
        rows = rows[np.isfinite(rows).all(axis=1)]
        rows[:, :4] *= [shape[1] / width, shape[0] / height] * 2
        centre, size = rows[:, :2] + rows[:, 2:4] / 2, rows[:, 2:4]
        sound = ((centre >= 0) & (centre <= [shape[1], shape[0]])).all(axis=1) & (
            size <= _MOST_OF_IMAGE * max(shape[:2])
        ).all(axis=1)
        return rows[sound]


def _levels(image: np.ndarray) -> Iterator[np.ndarray]:
    """The image in the sizes in which it is searched, the largest first."""
    level = shrunk_to(image, _LARGEST)
    yield level
    while max(level.shape[:2]) > _SMALLEST:
        level = _shrunk(level, 0.5)
        yield level


def shrunk_to(image: np.ndarray, side: int) -> np.ndarray:
    """A copy whose longer side has at most so many pixels, by area averaging."""
    longer = max(image.shape[:2])
    return _shrunk(image, side / longer) if longer > side else image


def _shrunk(image: np.ndarray, factor: float) -> np.ndarray:
    height, width = (max(round(side * factor), 1) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def read_detector(path: Path) -> bytes:
    """The detector's bytes.

    Raises:
        ArtifactError: no file, a Git LFS pointer, a web page, or any other file.
    """
    if not path.is_file():
        raise ArtifactError(
            "There is no detector file.",
            where=path,
            remedy=f"`make setup`, `fer fetch-detector`, or fetch {YUNET_NAME} from the OpenCV "
            "model zoo",
        )
    return check_detector(path.read_bytes(), path)


def check_detector(data: bytes, where: object) -> bytes:
    """Refuse any other bytes than the known detector's, and say what they look like.

    Raises:
        ArtifactError: a Git LFS pointer, a web page, or any other file.
    """
    if (found := sha256_bytes(data)) == YUNET_SHA256:
        return data
    start = data[:200].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        problem = "This is a Git LFS pointer, not the detector itself."
    elif start.startswith((b"<!doctype html", b"<html")):
        problem = "This is a web page, not the detector itself."
    else:
        problem = "This is not the detector this project knows."
    raise ArtifactError(
        problem,
        where=where,
        found=f"{len(data)} bytes, sha256 {found}",
        expected=YUNET_SHA256,
        remedy=f"fetch {YUNET_NAME} whole",
    )
