from pathlib import Path

import pytest

from fer_core.errors import ArtifactError
from fer_core.files import new_file, new_folder, read_json, sha256_bytes, sha256_file, write_json


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
    assert sha256_file(tmp_path / "x") == sha256_bytes(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
