from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_core.base.errors import ArtifactError, DataError
from fer_core.predict.detection import FaceBox, YuNet, crop_face, read_detector
from fer_core.predict.fetching import detector_file
from fer_core.sample.portrait import shoot


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:8f23\nsize 232589\n",
            "Git LFS pointer",
        ),
        (b"\n<!DOCTYPE html><html>rate limit</html>", "web page"),
        (b"\x08\x07onnx of something else", "not the detector this project knows"),
    ],
)
def test_other_file_than_the_detector_is_refused_and_says_what_it_is(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "yunet.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        YuNet(path)


def test_missing_detector_says_what_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"no detector file[\s\S]*face_detection_yunet_2023mar\.onnx"
    ):
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
    return YuNet(detector_file())


def test_threads_may_share_a_detector(detector: YuNet) -> None:
    """OpenCV's own object kills the process within a second of this."""
    image = shoot(7, "threads", 0, 3, 120, 2, freedom=0.3)[0]
    sizes = [cv2.resize(image, (side, side)) for side in (120, 200, 90, 160)]
    alone = [detector.detect(one) for one in sizes]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: [detector.detect(one) for one in sizes], range(40)):
            assert found == alone


def test_a_detector_that_was_sent_to_a_process_finds_the_same(detector: YuNet) -> None:
    image = shoot(7, "threads", 0, 3, 120, 2, freedom=0.3)[0]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert pool.submit(detector.detect, image).result() == detector.detect(image)


@pytest.mark.parametrize(
    "image",
    [
        None,
        np.zeros((20, 20, 3)),
        np.zeros((20, 20), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((0, 20, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_an_error_and_not_a_picture_without_faces(
    detector: YuNet, image: object
) -> None:
    with pytest.raises(DataError, match=r"uint8 \[H, W, 3\]"):
        detector.detect(image)  # type: ignore[arg-type]


def test_video_is_searched_once_in_a_small_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn({(320, 240): [(10, 20, 30, 40, 0.9)]})
    monkeypatch.setattr("fer_core.predict.detection.read_detector", lambda path: b"")
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_: stand_in)
    (found,) = YuNet(Path("any")).detect(np.zeros((480, 640, 3), np.uint8), longest_side=320)
    assert stand_in.sizes == [(320, 240)]
    assert (found.left, found.top, found.width, found.height) == (20, 40, 60, 80)


def test_detector_finds_nothing_in_an_image_without_faces(detector: YuNet) -> None:
    assert detector.detect(np.full((120, 160, 3), 128, np.uint8)) == []


@pytest.mark.parametrize("size", [(2, 2), (1, 1), (2000, 10), (10, 2000)])
@pytest.mark.parametrize("noisy", [False, True])
def test_image_of_a_few_pixels_a_side_holds_no_face(
    detector: YuNet, size: tuple[int, int], noisy: bool
) -> None:
    image = np.random.default_rng(0).integers(0, 256 if noisy else 1, (*size, 3), dtype=np.uint8)
    assert detector.detect(image) == []


@pytest.mark.parametrize("side", [60, 300, 1500])
def test_face_is_found_once_and_in_its_place_however_large(detector: YuNet, side: int) -> None:
    width, height = max(400, 4 * side // 3), max(300, side)
    left, top = (width - side) // 2, (height - side) // 2
    photo = np.full((height, width, 3), 110, np.uint8)
    photo[top : top + side, left : left + side] = cv2.resize(
        shoot(7, "detection", 0, 3, 300, 2, freedom=0.3)[0][:, :, ::-1], (side, side)
    )
    (found,) = detector.detect(photo)
    assert 0.6 < max(found.width, found.height) / side < 1.4
    centre = found.left + found.width / 2, found.top + found.height / 2
    assert max(abs(centre[0] - width / 2), abs(centre[1] - height / 2)) < 0.2 * side


class StandIn:
    """Answers with rows that are given for each size of image, and remembers the sizes."""

    def __init__(self, rows: dict[tuple[int, int], list[tuple[float, ...]]]) -> None:
        self.rows, self.sizes = rows, []

    def setInputSize(self, size: tuple[int, int]) -> None:
        self.sizes.append(size)

    def detect(self, image: np.ndarray) -> tuple[int, np.ndarray | None]:
        assert image.shape[1::-1] == self.sizes[-1]
        rows = self.rows.get(self.sizes[-1])
        return 1, None if rows is None else np.array(
            [(*row[:4], *[0.0] * 10, row[4]) for row in rows], np.float32
        )


def _detect(monkeypatch: pytest.MonkeyPatch, stand_in: StandIn, image: np.ndarray) -> list[FaceBox]:
    monkeypatch.setattr("fer_core.predict.detection.read_detector", lambda path: b"")
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_: stand_in)
    return YuNet(Path("any")).detect(image)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 300), [(480, 300)]),
        ((30, 40), [(30, 40)]),
        ((640, 480), [(640, 480), (320, 240)]),
        ((1500, 3000), [(1280, 2560), (640, 1280), (320, 640), (160, 320)]),
    ],
)
def test_large_image_is_searched_in_several_sizes_and_a_small_one_as_it_is(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    stand_in = StandIn({})
    assert _detect(monkeypatch, stand_in, np.zeros((size[1], size[0], 3), np.uint8)) == []
    assert stand_in.sizes == expected


def test_boxes_of_all_sizes_are_in_pixels_of_the_image_and_one_face_is_one_box(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = {
        (800, 600): [(100, 100, 80, 100, 0.8), (500, 300, 40, 40, 0.9)],
        (400, 300): [(52, 48, 42, 50, 0.95), (200, 20, 150, 180, 0.9)],
    }
    found = _detect(monkeypatch, StandIn(rows), np.zeros((600, 800, 3), np.uint8))
    assert [(box.left, box.top, box.width, box.height) for box in found] == [
        (400, 40, 300, 360),
        (104, 96, 84, 100),
        (500, 300, 40, 40),
    ]
    assert [box.score for box in found] == pytest.approx([0.9, 0.95, 0.9])


@pytest.mark.parametrize(
    "row",
    [
        (np.inf, 5, 10, 10, 0.9),
        (5, 5, np.nan, 10, 0.9),
        (5, 5, 10, 10, np.nan),
        (1e30, 5, 10, 10, 0.9),
        (5, 5, 1e30, 10, 0.9),
        (0, 0, 0, 10, 0.9),
        (-900, 5, 10, 10, 0.9),
    ],
)
def test_box_that_cannot_be_a_face_is_dropped(
    monkeypatch: pytest.MonkeyPatch, row: tuple[float, ...]
) -> None:
    sound = (20.0, 30.0, 40.0, 50.0, 0.8)
    found = _detect(
        monkeypatch, StandIn({(100, 100): [row, sound]}), np.zeros((100, 100, 3), np.uint8)
    )
    assert [(box.left, box.top, box.width, box.height) for box in found] == [(20, 30, 40, 50)]


def test_margin_below_zero_cuts_into_the_box_and_one_that_leaves_nothing_is_refused() -> None:
    image = np.arange(100 * 120 * 3, dtype=np.int64).reshape(100, 120, 3).astype(np.uint8)
    box = FaceBox(left=50, top=20, width=20, height=40, score=1)
    np.testing.assert_array_equal(crop_face(image, box, margin=-0.25), image[30:50, 50:70])
    with pytest.raises(ValueError, match="margin"):
        crop_face(image, box, margin=-0.5)
