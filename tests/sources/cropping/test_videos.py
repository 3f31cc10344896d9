"""Faces cut out of the frames of a video."""

import itertools
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fer_core.sources.cropping.clips import Clip
from fer_core.sources.cropping.cropping import CropWishes, Several
from fer_core.sources.cropping.videos import Cutter, VideoFaces, cut_video, write_info
from tests.live.acting import BOX, ActingDetector, grey

CLIP = Clip(Path("clip.mp4"), "happy/clip")


def cut(
    out: Path, times: list[float], every: float = 1.0, tiles: int = 4, **acted: object
) -> tuple[VideoFaces, list[tuple[str, str]]]:
    """A video of grey frames at these times, and the rows that were told."""
    rows: list[tuple[str, str]] = []
    detector = ActingDetector(acted.get("boxes", [[BOX]]))  # type: ignore[arg-type]
    wishes = CropWishes(acted.get("several", Several.all))  # type: ignore[arg-type]
    cutter = Cutter(out, detector, wishes, rows.append, tiles)  # type: ignore[arg-type]
    return cut_video(CLIP, ((time, grey(3)) for time in times), every, cutter), rows


def test_the_first_frame_at_or_after_each_step_is_looked_at(tmp_path):
    times = [0.0, 0.3, 0.6, 0.99, 1.25, 1.9, 2.0, 5.5, 5.9, 6.0]
    done, rows = cut(tmp_path, times)
    assert [name for name, _ in rows] == [
        f"happy/clip/{time}_1.png" for time in (0, 1250, 2000, 5500, 6000)
    ]
    assert {group for _, group in rows} == {"happy-clip"}
    assert (done.seconds, done.frames, done.looked_at, done.found, done.cut) == (6.0, 10, 5, 5, 5)
    assert sorted(path.name for path in (tmp_path / "happy/clip").iterdir()) == sorted(
        name.rpartition("/")[2] for name, _ in rows
    )


def test_frames_that_are_a_part_of_a_millisecond_apart_do_not_share_a_name(tmp_path):
    _, rows = cut(tmp_path, [place / 4000 for place in range(12)], every=0.001)
    assert len(rows) == len({name for name, _ in rows}) == 4


@pytest.mark.parametrize(("several", "numbers"), [("all", [1, 2]), ("largest", [1]), ("skip", [])])
def test_several_faces_are_numbered(tmp_path, several, numbers):
    done, rows = cut(tmp_path, [0.0], boxes=[[BOX, BOX]], several=Several(several))
    assert [name for name, _ in rows] == [f"happy/clip/0_{number}.png" for number in numbers]
    assert (done.with_face, done.found, done.cut) == (1, 2, len(numbers))
    assert done.words == ("" if numbers else "left out")


def test_a_video_without_a_face_shows_its_first_frame(tmp_path):
    done, rows = cut(tmp_path, [0.0, 1.0, 2.0], boxes=[[]])
    assert rows == [] and (done.looked_at, done.with_face, done.words) == (3, 0, "no face")
    assert len(done.tiles) == 1 and done.tiles[0].startswith(b"\xff\xd8")


@pytest.mark.parametrize("most", [1, 2, 5])
def test_few_faces_of_a_long_video_are_kept_for_the_sheet(tmp_path, most, monkeypatch):
    monkeypatch.setattr("fer_core.sources.cropping.videos.write_face", lambda *_: None)
    monkeypatch.setattr("fer_core.sources.cropping.videos.tile", lambda face: face[0, 0, 0])
    boxes = [[BOX]]
    rows: list[object] = []
    cutter = Cutter(tmp_path, ActingDetector(boxes), CropWishes(), rows.append, most)  # type: ignore[arg-type]
    frames = ((float(place), np.full((60, 80, 3), place, np.uint8)) for place in range(100))
    kept = [int(value) for value in cut_video(CLIP, frames, 1.0, cutter).tiles]
    steps = {after - before for before, after in itertools.pairwise(kept)}
    assert kept[0] == 0 and most / 2 <= len(kept) <= most and len(steps) <= 1
    assert kept[-1] >= 50 or most == 1


def test_memory_does_not_grow_with_the_video(tmp_path, monkeypatch):
    monkeypatch.setattr("fer_core.sources.cropping.videos.write_face", lambda *_: None)

    def peak(frames: int) -> int:
        def shown() -> Iterator[tuple[float, np.ndarray]]:
            for place in range(frames):
                yield float(place), grey(3, 320, 240)

        cutter = Cutter(tmp_path, ActingDetector(), CropWishes(), lambda _: None, 4)  # type: ignore[arg-type]
        tracemalloc.start()
        cut_video(CLIP, shown(), 1.0, cutter)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(5)
    assert peak(400) < peak(20) + 200_000


def test_the_table_has_a_line_for_each_video(tmp_path):
    done, _ = cut(tmp_path / "out", [0.0, 1.0])
    unread = VideoFaces(Clip(Path("=x.mp4"), "happy/x"), fault="=broken")
    write_info(tmp_path / "info.csv", [done, unread])
    assert (tmp_path / "info.csv").read_text().splitlines() == [
        "video,folder,seconds,frames,looked_at,with_face,found,cut,outcome",
        "clip.mp4,happy/clip,1.000,2,2,2,2,2,cut out",
        "./=x.mp4,happy/x,0.000,0,0,0,0,0,'=broken",
    ]
