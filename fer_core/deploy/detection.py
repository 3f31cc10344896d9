"""Faces in a photo, found by YuNet (Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", 2023) through OpenCV.

The detector's file is no part of this project: users bring it or have it fetched, and only the file of the known hash is run.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fer_core.errors import ArtifactError
from fer_core.files import sha256_bytes

__all__ = ["YUNET_NAME", "YUNET_SHA256", "FaceBox", "YuNet", "check_detector", "crop_face", "read_detector"]

YUNET_NAME = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

_SCORE, _OVERLAP, _CANDIDATES = 0.7, 0.3, 5000
_MARGIN = 0.15


@dataclass(frozen=True)
class FaceBox:
    """A face in an image, in pixels; it may reach beyond the image.

    Attributes:
        left, top, width, height: of the box.
        score: the detector's confidence in [0, 1].
    """

    left: int
    top: int
    width: int
    height: int
    score: float

    @property
    def area(self) -> int:
        """Square pixels."""
        return self.width * self.height


class YuNet:
    """The detector, ready to run.

    Args:
        path: the detector's file.
        score: least confidence of a face that is reported.

    Raises:
        ArtifactError: no file, or not the file of the known hash.
    """

    def __init__(self, path: Path, score: float = _SCORE) -> None:
        model = np.frombuffer(read_detector(path), dtype=np.uint8)
        no_config = np.zeros(0, dtype=np.uint8)
        self._detector = cv2.FaceDetectorYN.create("onnx", model, no_config, (320, 320), score, _OVERLAP, _CANDIDATES)

    def detect(self, image: np.ndarray) -> list[FaceBox]:
        """Faces of an RGB image, uint8 [H, W, 3], the largest first."""
        self._detector.setInputSize((image.shape[1], image.shape[0]))
        _, found = self._detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        rows = [] if found is None else found
        boxes = []
        for row in rows:
            left, top, width, height = (round(float(value)) for value in row[:4])
            boxes.append(FaceBox(left, top, width, height, float(row[-1])))
        return sorted((box for box in boxes if box.width > 0 and box.height > 0), key=lambda box: (-box.area, box.left, box.top))


def crop_face(image: np.ndarray, box: FaceBox, margin: float = _MARGIN) -> np.ndarray:
    """The square around a face: its longer side plus a margin on each side, edge pixels repeated beyond the image.

    Args:
        image: RGB, uint8 [H, W, 3].
        box: from `YuNet.detect`.
        margin: share of the longer side.

    Returns:
        RGB, uint8 [S, S, 3].
    """
    side = max(round(max(box.width, box.height) * (1 + 2 * margin)), 1)
    left, top = box.left + (box.width - side) // 2, box.top + (box.height - side) // 2
    height, width = image.shape[:2]
    rows, columns = (np.clip(np.arange(start, start + side), 0, end - 1) for start, end in ((top, height), (left, width)))
    return np.ascontiguousarray(image[rows[:, None], columns])


def read_detector(path: Path) -> bytes:
    """The detector's bytes.

    Raises:
        ArtifactError: no file, a Git LFS pointer, a web page, or any other file.
    """
    if not path.is_file():
        raise ArtifactError(
            "There is no detector file.", where=path, remedy=f"`fer fetch-detector`, or fetch {YUNET_NAME} from the OpenCV model zoo"
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
        problem, where=where, found=f"{len(data)} bytes, sha256 {found}", expected=YUNET_SHA256, remedy=f"fetch {YUNET_NAME} whole"
    )
