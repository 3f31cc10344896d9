"""How each network's own pipeline cuts a face out of a picture.

Where the pipeline's detector was not converted to ONNX, YuNet's box stands for its own, and `WORDS`
says so. Of several faces the largest is taken.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fer_core.base.errors import DataError
from fer_core.pixels.opencv import cv2
from fer_core.predict.detection import YuNet, crop_face, read_detector

__all__ = ["WORDS", "Cut", "aligned_face", "cut_of", "prepared_crop"]

Cut = Literal["square", "aligned", "haar", "padded", "box"]
WORDS: dict[Cut, str] = {
    "square": "YuNet's box as `fer predict --detect` crops it",
    "aligned": "YuNet's five points, by a similarity onto a template of 112 px, as its code does",
    "haar": "OpenCV's frontal Haar cascade, its square with 10 px more a side, as its code does",
    "padded": "its detector was not converted to ONNX: YuNet's box, padded with black to a square "
    "as its code does",
    "box": "its detector (BlazeFace, then a mesh) was not converted to ONNX: the square about "
    "YuNet's box",
}
_TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655)]
    + [(70.7299, 92.2041)]
)
"""Eyes, nose and corners of the mouth in 112 px (ArcFace, and the OpenCV model zoo)."""
_SCORE, _OVERLAP, _CANDIDATES = 0.6, 0.3, 5000  # the model zoo's own
_LEAST_SIDE = 12
# YuNet finds three of four faces in crops of 48 px, and nearly all in these
_CROP_SIDE = 144
_PADDING, _OFFSET = 40, 10  # of `fer`
_HAAR = "haarcascade_frontalface_default.xml"

_Cutter = Callable[[np.ndarray], np.ndarray | None]


def cut_of(cut: Cut, detector: Path) -> _Cutter:
    """What cuts the face out of an RGB picture, uint8 [H, W, 3] to [h, w, 3], or None where it
    finds none.

    Args:
        cut: whose way.
        detector: YuNet's file.

    Raises:
        ArtifactError: not YuNet's file.
        DataError: this OpenCV has no Haar cascade.
    """
    if cut == "haar":
        return _haar()
    if cut == "aligned":
        return _aligned(detector)
    yunet = YuNet(detector)

    def boxed(image: np.ndarray) -> np.ndarray | None:
        boxes = yunet.detect(image)
        if not boxes:
            return None
        if cut == "square":
            return crop_face(image, boxes[0])
        return crop_face(image, boxes[0], 0.0) if cut == "box" else _padded(image, boxes[0])

    return boxed


def prepared_crop(cut: Cut, detector: Path) -> Callable[[np.ndarray], np.ndarray]:
    """What a network's own pipeline makes of a crop that shows one face and little else, RGB uint8
    [H, W, 3]: the aligned face, where it aligns and the points are found in the enlarged crop; else
    the crop as it is.
    """
    if cut != "aligned":
        return lambda image: image
    align = _aligned(detector)

    def prepared(image: np.ndarray) -> np.ndarray:
        scale = max(_CROP_SIDE / min(image.shape[:2]), 1.0)
        large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        face = align(large)
        return image if face is None else face

    return prepared


def _padded(image: np.ndarray, box: Any) -> np.ndarray:
    """The part of a box that is in the picture, in the middle of a black square."""
    face = image[
        max(box.top, 0) : max(box.top + box.height, 1),
        max(box.left, 0) : max(box.left + box.width, 1),
    ]
    side = max(face.shape[:2])
    top, left = (side - face.shape[0]) // 2, (side - face.shape[1]) // 2
    square = np.zeros((side, side, 3), dtype=np.uint8)
    square[top : top + face.shape[0], left : left + face.shape[1]] = face
    return square


def _aligned(detector: Path) -> _Cutter:
    model = np.frombuffer(read_detector(detector), dtype=np.uint8)
    yunet = cv2.FaceDetectorYN.create(
        "onnx", model, np.zeros(0, np.uint8), (320, 320), _SCORE, _OVERLAP, _CANDIDATES
    )

    def aligned(image: np.ndarray) -> np.ndarray | None:
        height, width = image.shape[:2]
        if min(height, width) < _LEAST_SIDE:
            return None
        yunet.setInputSize((width, height))
        _, found = yunet.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if found is None:
            return None
        points = max(found, key=lambda face: face[2] * face[3])[4:14].reshape(5, 2)
        return aligned_face(image, points) if np.isfinite(points).all() else None

    return aligned


def aligned_face(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face of 112 px whose five points [5, 2] lie on the template: the similarity from template
    to picture of least squares, as numbers of the complex plane.
    """
    template, there = (one @ [1, 1j] for one in (_TEMPLATE, points.astype(np.float64)))
    (turn, move), *_ = np.linalg.lstsq(np.stack([template, np.ones(5)], axis=1), there, rcond=None)
    matrix = np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])
    return np.asarray(
        cv2.warpAffine(image, matrix, (112, 112), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    )


def _haar() -> _Cutter:
    path = Path(cv2.data.haarcascades) / _HAAR
    cascade = cv2.CascadeClassifier(str(path))
    if cascade.empty():
        raise DataError("This OpenCV has no Haar cascade of faces.", where=path)

    def cut(image: np.ndarray) -> np.ndarray | None:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        found = cascade.detectMultiScale(
            grey, 1.1, 5, flags=cv2.CASCADE_SCALE_IMAGE, minSize=(50, 50)
        )
        if len(found) == 0:
            return None
        left, top, side, _ = (int(value) for value in max(found, key=lambda box: box[2]))
        ground = cv2.mean(grey[-2:])[0]
        padded = cv2.copyMakeBorder(
            image, _PADDING, _PADDING, _PADDING, _PADDING, cv2.BORDER_CONSTANT, value=[ground] * 3
        )
        start, more = _PADDING - _OFFSET, side + 2 * _OFFSET
        return np.ascontiguousarray(
            padded[top + start : top + start + more, left + start : left + start + more]
        )

    return cut
