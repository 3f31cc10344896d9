"""`fer data frames`, and that `fer data add` reads what it made."""

import csv
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from fer_core.base.errors import DataError
from fer_core.dataset.cleaning.cleaning import clean
from fer_core.dataset.store.store import FaceStore
from fer_core.live.sources import VideoSource
from fer_core.pixels.opencv import cv2
from tests.fer_cli.adding import fer
from tests.fer_cli.data.test_crop import files, photo
from tests.live.acting import BOX, ActingDetector, write_clip
from tests.sources.trees import clean_options


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch) -> ActingDetector:
    """A detector that finds one face in each frame of each video."""
    detector = ActingDetector()
    monkeypatch.setattr("fer_cli.data.frames.YuNet", lambda *_: detector)
    return detector


def clip(path: Path, shown: Sequence[int] = range(6), rate: float = 2.0) -> Path:
    """Three seconds in which every frame is of another grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_clip(path, shown, rate)


def info(out: Path) -> dict[str, dict[str, str]]:
    with (out / "info.csv").open(encoding="utf-8") as stream:
        return {row["folder"]: row for row in csv.DictReader(stream)}


def groups(data_project: Path, name: str) -> dict[str, tuple[int, str]]:
    """Label and group of each face of a data set that was added."""
    store = data_project / "data/clean" / f"{name}.arrow"
    clean(data_project / f"data/sources/{name}.json", store, clean_options(), data_project / "raw")
    rows = FaceStore.open(store).table_without_images()
    return {
        sample: (label, group)
        for sample, label, group in zip(
            rows["sample_id"], rows["label"], rows["group"], strict=True
        )
    }


def test_faces_of_a_video_are_one_group_of_an_unlabelled_set(acting, data_project, tmp_path):
    videos = [clip(tmp_path / "films/a b.mp4"), clip(tmp_path / "films/c.avi", range(6, 0, -1))]
    text = fer("frames", tmp_path / "out", *videos)
    assert files(tmp_path / "out") == [
        *(f"a_b/{time}_1.png" for time in (0, 1000, 2000)),
        *(f"c/{time}_1.png" for time in (0, 1000, 2000)),
        *("info.csv", "sheet.html", "subjects.csv"),
    ]
    assert "6 faces of 6 frames of 2 videos" in text and "2 with a face" in text
    assert "labels by folder: none, so the set is unlabelled" in text
    assert f"fer data add NAME {tmp_path / 'out'}" in text
    page = (tmp_path / "out/sheet.html").read_text()
    assert page.count("<img") == 6 and "http" not in page
    text = fer("add", "films", tmp_path / "out")
    assert "layout unlabelled, 6 faces" in text
    found = groups(data_project, "films")
    assert {label for label, _ in found.values()} == {-1}
    assert {sample.split("/")[1]: group for sample, (_, group) in found.items()} == {
        "a_b": "films/subjects.csv/a_b",
        "c": "films/subjects.csv/c",
    }


def test_class_folders_above_the_videos_become_labels(acting, data_project, tmp_path):
    for place, name in enumerate(("happy/clip.mp4", "sad/clip.mp4")):
        clip(tmp_path / "films" / name, [place, place + 3] * 3)
    text = fer("frames", tmp_path / "out", tmp_path / "films", "--every", "1.5")
    assert "another name" not in text and "labels by folder: 1 of happy, 1 of sad" in text
    text = fer("add", "films", tmp_path / "out")
    assert "layout folder7, 4 faces" in text and "persons" not in text.lower()
    found = groups(data_project, "films")
    assert sorted((sample, group) for sample, (_, group) in found.items()) == [
        ("films/happy/clip/0_1.png", "films/subjects.csv/happy-clip"),
        ("films/happy/clip/1500_1.png", "films/subjects.csv/happy-clip"),
        ("films/sad/clip/0_1.png", "films/subjects.csv/sad-clip"),
        ("films/sad/clip/1500_1.png", "films/subjects.csv/sad-clip"),
    ]
    assert len({label for label, _ in found.values()} - {-1}) == 2


def test_what_cannot_be_read_or_shows_nobody_is_counted_and_named(acting, tmp_path):
    good = clip(tmp_path / "good.mp4")
    nobody = clip(tmp_path / "nobody.mp4")
    acting.boxes = [[BOX], [], [BOX, BOX], []]
    empty, broken = tmp_path / "empty.mp4", tmp_path / "broken.mkv"
    empty.touch()
    broken.write_bytes(b"no video" * 99)
    cut_off = clip(tmp_path / "cut.avi", [1] * 60, 10)
    cut_off.write_bytes(cut_off.read_bytes()[: cut_off.stat().st_size // 2])
    text = fer("frames", tmp_path / "out", good, nobody, empty, broken, cut_off)
    assert "3 faces of" in text and "1 with a face" in text
    assert f"2 without a face: {nobody}, {cut_off}" in text
    assert f"2 could not be read: {empty}, {broken}" in text
    assert f"1 not read to the end: {cut_off}" in text
    rows = info(tmp_path / "out")
    assert (rows["good"]["found"], rows["good"]["outcome"]) == ("3", "cut out")
    assert (rows["nobody"]["looked_at"], rows["nobody"]["outcome"]) == ("3", "no face")
    assert "cannot be read as a video" in rows["empty"]["outcome"]
    assert "cannot be read as a video" in rows["broken"]["outcome"]
    assert "of 60 frames could not be read" in rows["cut"]["outcome"]


def test_a_video_without_a_frame_is_named(acting, tmp_path, monkeypatch):
    real = VideoSource.__init__

    def frameless(self: VideoSource, path: Path) -> None:
        real(self, path)
        if path.stem == "hollow":
            self._capture = SimpleNamespace(read=lambda: (False, None), release=lambda: None)

    monkeypatch.setattr(VideoSource, "__init__", frameless)
    hollow = clip(tmp_path / "hollow.mp4")
    text = fer("frames", tmp_path / "out", hollow, clip(tmp_path / "good.mp4"))
    assert f"1 could not be read: {hollow}" in text
    assert "no frame that can be read" in info(tmp_path / "out")["hollow"]["outcome"]


def test_a_video_of_unknown_length_is_read_to_its_end(acting, tmp_path, monkeypatch):
    class Lengthless:
        def __init__(self, capture: cv2.VideoCapture) -> None:
            self.read, self.release, self._get = capture.read, capture.release, capture.get

        def get(self, key: int) -> float:
            return 0.0 if key in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS) else self._get(key)

    from fer_core.live import sources

    opened = sources.opened
    monkeypatch.setattr(sources, "opened", lambda *a, **k: Lengthless(opened(*a, **k)))
    fer("frames", tmp_path / "out", clip(tmp_path / "a.mp4"))
    (row,) = info(tmp_path / "out").values()
    assert (row["frames"], row["seconds"], row["cut"]) == ("6", "2.500", "3")
    assert row["outcome"] == "cut out"


def test_two_of_one_name_and_one_given_twice_are_told(acting, tmp_path):
    first, second = clip(tmp_path / "x/clip.mp4"), clip(tmp_path / "y/clip.mp4")
    (tmp_path / "x/notes.txt").touch()
    text = fer("frames", tmp_path / "out", tmp_path / "x", second, first)
    assert set(info(tmp_path / "out")) == {"clip", "clip-2"}
    assert (
        f"1 in a folder of another name, because theirs is taken or means something: {second}"
        in text
    )
    assert f"1 given more than once, and read once: {first}" in text
    assert f"1 files are no videos: {tmp_path / 'x/notes.txt'}" in text


def test_faces_that_are_left_out_are_counted(acting, tmp_path):
    acting.boxes = [[BOX, BOX]]
    video = clip(tmp_path / "a.mp4")
    text = fer("frames", tmp_path / "largest", video, "--faces", "largest")
    assert "3 faces of 3 frames" in text and "3 faces left out" in text
    with pytest.raises(DataError, match=r"No face was cut out[\s\S]*--faces largest"):
        fer("frames", tmp_path / "skip", video, "--faces", "skip")


def test_videos_without_any_face_are_an_error_and_the_sheet_shows_them(acting, tmp_path):
    acting.boxes = [[]]
    with pytest.raises(DataError, match=r"No face was cut out[\s\S]*info\.csv[\s\S]*--every"):
        fer("frames", tmp_path / "out", clip(tmp_path / "a.mp4"))
    assert (tmp_path / "out/sheet.html").read_text().count("<img") == 1


def test_nothing_is_written_over_anything_or_among_the_videos(acting, tmp_path):
    video = clip(tmp_path / "films/a.mp4")
    for out, words in (("films", "there already"), ("films/a.mp4", "there already")):
        with pytest.raises(DataError, match=words):
            fer("frames", tmp_path / out, clip(tmp_path / "b.mp4"))
    with pytest.raises(DataError, match="among the videos"):
        fer("frames", tmp_path / "films/out", tmp_path / "films")
    with pytest.raises(DataError, match="no such file"):
        fer("frames", tmp_path / "out", tmp_path / "gone.mp4")
    assert files(tmp_path) == ["b.mp4", "films/a.mp4"] and video.stat().st_size > 0


def test_an_interrupted_call_leaves_nothing(acting, tmp_path, monkeypatch):
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fer_cli.data.frames.cut_video", stopped)
    video = clip(tmp_path / "a.mp4")
    with pytest.raises(BaseException):  # noqa: B017
        fer("frames", tmp_path / "out", video)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_the_real_detector_finds_and_frames_a_face_as_crop_does(tmp_path):
    size = photo().shape[1::-1]
    video = cv2.VideoWriter(
        str(tmp_path / "a.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 1.0, size
    )
    for people in (1, 0, 1):
        video.write(photo(people))
    video.release()
    fer("frames", tmp_path / "out", tmp_path / "a.avi")
    assert files(tmp_path / "out/a") == ["0_1.png", "2000_1.png"]
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos/a.png"), photo())
    fer("crop", tmp_path / "photos", tmp_path / "cut")
    of_video, of_photo = (
        cv2.imread(str(tmp_path / name)) for name in ("out/a/0_1.png", "cut/faces/a.png")
    )
    assert of_video.shape[0] == pytest.approx(of_photo.shape[0], abs=4)
    smaller = cv2.resize(of_video, of_photo.shape[1::-1])
    assert cv2.absdiff(smaller, of_photo).mean() < 12


def test_splits_of_the_source_are_kept(acting, data_project, tmp_path):
    for split in ("train", "test"):
        clip(tmp_path / f"films/{split}/happy/clip.mp4")
    fer("frames", tmp_path / "out", tmp_path / "films", "--every", "2")
    assert "4 faces" in fer("add", "films", tmp_path / "out")
    store = data_project / "data/clean/films.arrow"
    assert len(groups(data_project, "films")) == 4
    rows = FaceStore.open(store).table_without_images()
    assert dict(zip(rows["group"], rows["split"], strict=True)) == {
        f"films/subjects.csv/{split}-happy-clip": split for split in ("train", "test")
    }
