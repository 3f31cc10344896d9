"""How faces are cut out of pictures: by points, by boxes, and not at all where there is none."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from bench.peers.cuts import WORDS, Cut, aligned_face, cut_of, prepared_crop
from fer_core.base.errors import ArtifactError
from fer_core.pixels.opencv import cv2
from fer_core.predict.fetching import detector_file
from fer_core.sample.portrait import shoot

TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655)]
    + [(70.7299, 92.2041)]
)


def test_five_points_come_to_lie_on_the_template() -> None:
    turn = cv2.getRotationMatrix2D((0, 0), 25, 1.7)
    points = TEMPLATE @ turn[:, :2].T + (90, 120)
    picture = np.zeros((400, 400, 3), dtype=np.uint8)
    for x, y in points:
        cv2.circle(picture, (round(x), round(y)), 5, (255, 255, 255), -1)
    face = aligned_face(picture, points.astype(np.float32))
    assert face.shape == (112, 112, 3)
    assert all(face[round(y), round(x), 0] > 200 for x, y in TEMPLATE)
    assert (face > 0).mean() < 0.04  # and nothing else


@pytest.mark.parametrize("cut", get_args(Cut))
def test_no_face_gives_no_crop(cut: Cut) -> None:
    empty = np.full((120, 90, 3), 128, dtype=np.uint8)
    assert cut in WORDS and cut_of(cut, detector_file())(empty) is None


def test_a_box_is_padded_with_black_and_the_cascade_s_square_is_wider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Cascade:
        def __init__(self, _: str) -> None: ...

        def empty(self) -> bool:
            return False

        def detectMultiScale(self, *_: object, **__: object) -> np.ndarray:
            return np.array([[5, 5, 20, 20], [0, 10, 60, 60]])

    monkeypatch.setattr(cv2, "CascadeClassifier", Cascade)
    picture = np.full((80, 70, 3), 200, dtype=np.uint8)
    face = cut_of("haar", Path("none"))(picture)
    assert face is not None and face.shape == (80, 80, 3) and (face == 200).all()

    class Boxes:
        def __init__(self, _: Path) -> None: ...

        def detect(self, _: np.ndarray) -> list[object]:
            from fer_core.pixels.framing import FaceBox

            return [FaceBox(-10, 20, 40, 50, 0.9)]

    monkeypatch.setattr("bench.peers.cuts.YuNet", Boxes)
    face = cut_of("padded", Path("none"))(picture)
    assert face is not None and face.shape == (50, 50, 3)
    assert (face[:, 10:40] == 200).all() and not face[:, :10].any() and not face[:, 40:].any()
    box = cut_of("box", Path("none"))(picture)
    assert box is not None and box.shape == (50, 50, 3) and (box == 200).all()


def test_another_file_than_the_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no detector file"):
        cut_of("aligned", tmp_path / "none.onnx")


def test_a_crop_is_aligned_where_the_network_aligns_and_the_points_are_found() -> None:
    face = cv2.resize(shoot(5, "align", 1, 3, 96, 2, freedom=0.2)[0], (48, 48))
    aligned = prepared_crop("aligned", detector_file())
    assert aligned(face).shape == (112, 112, 3)
    large = cv2.resize(cv2.cvtColor(aligned(face), cv2.COLOR_RGB2BGR), (224, 224))
    yunet = cv2.FaceDetectorYN.create(str(detector_file()), "", (224, 224), 0.3)
    points = yunet.detect(large)[1][0, 4:14].reshape(5, 2) / 2
    assert np.abs(points - TEMPLATE).max() < 6
    blank = np.full((48, 48, 3), 128, dtype=np.uint8)
    assert aligned(blank) is blank
    for cut in get_args(Cut):
        if cut != "aligned":
            assert prepared_crop(cut, Path("none"))(face) is face
