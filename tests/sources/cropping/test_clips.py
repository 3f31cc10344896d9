"""Which videos there are, and the folders that they get."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fer_cli.predict.inputs import files_below
from fer_core.base.errors import DataError
from fer_core.sources.cropping.clips import Clips
from fer_core.sources.cropping.clips import find_clips as find_clips_by


def made(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / name for name in names]


def find_clips(given: Sequence[Path]) -> Clips:
    return find_clips_by(given, files_below)


def folders(*given: Path) -> list[str]:
    return [clip.folder for clip in find_clips(given).clips]


def test_a_video_has_a_folder_of_its_name(tmp_path):
    files = made(tmp_path / "films", "My film.2024.mp4", "b.MKV")
    assert folders(*files) == ["My_film_2024", "b"]
    assert find_clips(files).renamed == []


def test_folders_of_classes_and_splits_are_kept(tmp_path):
    files = made(tmp_path, "set/happy/a.mp4", "set/3_sad/ann/b.mp4")
    assert folders(*files) == ["happy/a", "3_sad/b"]
    assert folders(tmp_path / "set") == ["3_sad/b", "happy/a"]
    assert folders(tmp_path / "set/happy") == ["happy/a"]
    split = made(tmp_path, "split/train/fear/a.mp4", "split/val/fear/a.mp4")
    assert folders(*split) == folders(tmp_path / "split") == ["train/fear/a", "val/fear/a"]
    assert folders(tmp_path / "split/val") == ["val/fear/a"]


def test_two_videos_of_one_name_have_two_folders_and_two_groups(tmp_path):
    files = made(tmp_path, "x/clip.mp4", "y/Clip.mp4", "y/clip.avi", "y/clip-2.mp4")
    found = find_clips(files)
    assert [clip.folder for clip in found.clips] == ["clip", "Clip-2", "clip-3", "clip-2-2"]
    assert found.renamed == files[1:]
    happy = find_clips(made(tmp_path, "happy/clip.mp4", "sad/clip.mp4"))
    assert [clip.group for clip in happy.clips] == ["happy-clip", "sad-clip"]
    assert happy.renamed == []


def test_a_name_that_layouts_take_for_something_else_is_not_used(tmp_path):
    files = made(tmp_path, "happy.mp4", "train.mp4", "labels.mp4", "=....mp4", "ä" * 80 + ".mp4")
    found = find_clips(files)
    assert [clip.folder for clip in found.clips] == [
        *("video", "video-2", "video-3", "video-4", "ä" * 60)
    ]
    assert found.renamed == files


def test_a_video_that_is_given_twice_is_read_once(tmp_path):
    (file,) = made(tmp_path, "films/a.mp4")
    (tmp_path / "link.mp4").symlink_to(file)
    found = find_clips([tmp_path / "films", file, tmp_path / "link.mp4"])
    assert [clip.file for clip in found.clips] == [file]
    assert found.repeated == [file, tmp_path / "link.mp4"]


def test_folders_that_are_linked_are_read_and_circles_end(tmp_path):
    made(tmp_path, "far/a.mp4", "films/b.mp4")
    (tmp_path / "films/link").symlink_to(tmp_path / "far")
    (tmp_path / "far/back").symlink_to(tmp_path / "films")
    assert sorted(folders(tmp_path / "films")) == ["a", "b"]


def test_other_files_of_a_folder_are_named_and_litter_is_not(tmp_path):
    made(tmp_path, "a.mp4", "notes.txt", "._a.mp4", "@eaDir/a.mp4")
    found = find_clips([tmp_path])
    assert [clip.folder for clip in found.clips] == ["a"]
    assert found.passed_over == [tmp_path / "notes.txt"]


@pytest.mark.parametrize(
    ("names", "given", "words"),
    [
        ((), "gone.mp4", "no such file or folder"),
        (("x/a.txt",), "x", r"no videos here[\s\S]*1 other files"),
        (("happy/sad/a.mp4",), "happy", r"folders of two classes[\s\S]*happy and sad"),
        (("x/a.mp4", "x/happy/b.mp4"), "x", r"others do not[\s\S]*no class[\s\S]*a\.mp4"),
        (("x/happy/b.mp4", "x/train/sad/c.mp4"), "x", r"others do not[\s\S]*a split and a class"),
    ],
)
def test_what_no_data_set_can_be_made_of_is_refused(tmp_path, names, given, words):
    made(tmp_path, *names)
    with pytest.raises(DataError, match=words):
        find_clips([tmp_path / given])
