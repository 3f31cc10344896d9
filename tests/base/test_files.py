import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError, WriteError
from fer_core.base.files import (
    new_file,
    new_folder,
    read_json,
    sha256_bytes,
    sha256_file,
    write_json,
)


class Breakdown(Exception):
    pass


def test_a_file_whose_writing_fails_keeps_its_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(Breakdown), new_file(path) as temporary:
        temporary.write_text("new")
        raise Breakdown
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_whose_writing_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Breakdown), new_folder(tmp_path / "out") as temporary:
        (temporary / "part").write_text("x")
        raise Breakdown
    assert not list(tmp_path.iterdir())


def test_a_folder_replaces_the_one_before_it_whole(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with new_folder(tmp_path / "out") as temporary:
            (temporary / name).write_text(name)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["second"]


def test_json_round_trip_is_byte_deterministic_and_refuses_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, 2.5], "a": "ü"})
    write_json(tmp_path / "b.json", {"b": [1, 2.5], "a": "ü"})
    assert sha256_file(tmp_path / "a.json") == sha256_file(tmp_path / "b.json")
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5], "a": "ü"}
    with pytest.raises(ValueError, match=r"NaN|nan|Out of range"):
        write_json(tmp_path / "c.json", float("nan"))
    assert not (tmp_path / "c.json").exists()


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"none\.json"):
        read_json(tmp_path / "none.json")
    with pytest.raises(ArtifactError, match=r"none\.bin"):
        sha256_file(tmp_path / "none.bin")
    (tmp_path / "half.json").write_text('{"a": ')
    with pytest.raises(ArtifactError, match=r"half\.json"):
        read_json(tmp_path / "half.json")


def test_hash_of_a_file_is_the_hash_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert (
        sha256_file(tmp_path / "x")
        == sha256_bytes(b"abc")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(bytes(5000)),
        lambda path: np.save(path.with_suffix(".npy"), np.zeros(5000)),
        lambda path: pd.DataFrame({"a": np.random.default_rng(0).random(5000)}).to_parquet(path),
    ],
)
def test_a_full_disk_is_an_error_that_names_the_out_and_the_remedy(
    tmp_path: Path, small_files: None, write: object
) -> None:
    for new in (new_file, new_folder):
        with (
            pytest.raises(WriteError, match="free disk space") as caught,
            new(tmp_path / "out") as temporary,
        ):
            write(temporary / "part" if new is new_folder else temporary)  # type: ignore[operator]
        assert str(tmp_path / "out") in str(caught.value)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".npy"] == []


def test_a_folder_that_may_not_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(WriteError, match="Permission denied"):
        write_json(tmp_path / "a.json", 1)


def test_a_path_that_cannot_be_a_file_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "a/b.json", tmp_path / "a/b/c.json", tmp_path / "folder"):
        with pytest.raises(WriteError, match="name another path"):
            write_json(path, 1)
    with pytest.raises(WriteError, match="name another path"), new_folder(tmp_path / "a/b"):
        pass
    assert (tmp_path / "a").read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "folder"]


def test_a_missing_file_read_while_writing_is_no_fault_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "out"):
        (tmp_path / "none").read_text()


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(
    tmp_path: Path,
) -> None:
    nobody, alive = 4194305, os.getppid()  # the first is beyond the greatest process number
    for process in (nobody, alive):
        (tmp_path / f".out.{process}.tmp").mkdir()
        (tmp_path / f".out.{process}.tmp" / "part").write_text("half")
    (tmp_path / ".out.json.1.tmp").write_text("another file's")
    with new_folder(tmp_path / "out") as temporary:
        (temporary / "part").write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f".out.{alive}.tmp",
        ".out.json.1.tmp",
        "out",
    ]


def test_a_folder_is_never_lost_between_the_old_and_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed after the old folder was moved aside, before the new one is there."""
    with new_folder(tmp_path / "out") as folder:
        (folder / "old").write_text("old")
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom fer_core.base.files import new_folder\n"
        "true = Path.replace\n"
        "def replace(self, target):\n"
        "    if self.suffix == '.tmp': os.kill(os.getpid(), 9)\n"
        "    return true(self, target)\n"
        "Path.replace = replace\n"
        "with new_folder(Path(sys.argv[1])) as folder: (folder / 'new').write_text('new')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], check=False)
    assert done.returncode == -9 and not (tmp_path / "out").exists()
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "out"):
        raise ZeroDivisionError
    assert (tmp_path / "out" / "old").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_where_the_new_folder_cannot_be_put_in_place_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "old").write_text("old")
    true = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.suffix == ".tmp":
            raise OSError(errno.EIO, "no")
        return true(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(WriteError), new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "old").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
