import os
from pathlib import Path

import numpy as np
import pytest

from fer_core.deploy.detection import FaceBox, YuNet, crop_face, read_detector
from fer_core.errors import ArtifactError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:8f23\nsize 232589\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>rate limit</html>", "web page"),
        (b"\x08\x07onnx of something else", "not the detector this project knows"),
    ],
)
def test_other_file_than_the_detector_is_refused_and_says_what_it_is(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "yunet.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        YuNet(path)


def test_missing_detector_says_what_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no detector file[\s\S]*face_detection_yunet_2023mar\.onnx"):
        read_detector(tmp_path / "absent.onnx")


def test_crop_is_the_square_around_the_longer_side_with_a_margin() -> None:
    image = np.arange(100 * 120 * 3, dtype=np.int64).reshape(100, 120, 3).astype(np.uint8)
    crop = crop_face(image, FaceBox(left=50, top=20, width=20, height=40, score=1), margin=0.25)
    np.testing.assert_array_equal(crop, image[10:70, 30:90])


def test_crop_beyond_the_image_repeats_its_edge() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, 0] = 200
    crop = crop_face(image, FaceBox(left=-10, top=5, width=10, height=10, score=1), margin=0)
    assert crop.shape == (10, 10, 3) and (crop == 200).all()


@pytest.fixture(scope="module")
def detector() -> YuNet:
    file = os.environ.get("FER_TEST_YUNET")
    if not file:
        pytest.skip("FER_TEST_YUNET names no detector file")
    return YuNet(Path(file))


def test_detector_finds_nothing_in_an_image_without_faces(detector: YuNet) -> None:
    assert detector.detect(np.full((120, 160, 3), 128, np.uint8)) == []
