"""Headers: what an artifact is, and that nothing of it can change unnoticed."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.artifact import (
    HEADER_FILE,
    Header,
    hash_bytes,
    hash_file,
    new_artifact,
    open_artifact,
    read_values,
    write_values,
)
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from fer_core.base.labels import CLASSES
from tests.artifacts import reseal

HEADER = Header("numbers/1", "rn18", 3, "r" * 64, {"model": "m" * 64})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with new_artifact(tmp_path / "out", HEADER) as temporary:
        (temporary / "a.bin").write_bytes(bytes(range(100)))
        (temporary / "sub").mkdir()
        (temporary / "sub" / "b.txt").write_text("b")
    return tmp_path / "out"


def test_what_was_written_is_read(folder: Path) -> None:
    header = open_artifact(folder, "numbers/1", "rn18")
    assert (header.rows, header.rows_sha256, header.made_from) == (3, "r" * 64, HEADER.made_from)
    assert list(header.files) == ["a.bin", "sub/b.txt"]
    assert header.classes == CLASSES


@given(st.integers(0, 799))
def test_any_flipped_bit_is_seen(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    folder = tmp_path_factory.mktemp("flip") / "out"
    with new_artifact(folder, HEADER) as temporary:
        (temporary / "a.bin").write_bytes(bytes(100))
    data = bytearray(100)
    data[bit // 8] ^= 1 << bit % 8
    (folder / "a.bin").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"was changed(.|\n)*a\.bin"):
        open_artifact(folder, "numbers/1")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "numbers/0"}, r"another kind or version(.|\n)*numbers/0(.|\n)*fer run"),
        ({"key": "b3"}, "is another's"),
        ({"classes": list(CLASSES[::-1])}, "class order"),
        ({"rows": "many"}, "do not fit"),
    ],
)
def test_another_header_is_refused(folder: Path, values: dict[str, object], says: str) -> None:
    reseal(folder, **values)
    with pytest.raises(ArtifactError, match=says):
        open_artifact(folder, "numbers/1", "rn18")


def test_missing_and_added_files_are_named(folder: Path) -> None:
    (folder / "c.bin").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"was added(.|\n)*c\.bin"):
        open_artifact(folder, "numbers/1")
    (folder / "c.bin").unlink()
    (folder / "a.bin").unlink()
    with pytest.raises(ArtifactError, match=r"missing(.|\n)*a\.bin"):
        open_artifact(folder, "numbers/1")


def test_an_artifact_without_header_is_of_an_older_version(folder: Path) -> None:
    (folder / HEADER_FILE).unlink()
    with pytest.raises(ArtifactError, match=r"older version(.|\n)*fer run"):
        open_artifact(folder, "numbers/1")
    with pytest.raises(ArtifactError, match="missing"):
        open_artifact(folder.parent / "none", "numbers/1")


def test_nothing_is_left_of_an_artifact_that_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_artifact(tmp_path / "out", HEADER):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_hashes_of_file_and_bytes_agree(folder: Path) -> None:
    assert hash_file(folder / "a.bin") == hash_bytes(bytes(range(100)))


@dataclass(frozen=True)
class Values:
    name: str
    numbers: tuple[float, ...]


def test_values_come_back_and_faults_are_named(tmp_path: Path) -> None:
    value = Values("x", (0.1, 2.0))
    write_values(tmp_path / "v.json", value)
    assert read_values(tmp_path / "v.json", Values) == value
    write_json(tmp_path / "v.json", read_json(tmp_path / "v.json") | {"numbers": ["much"]})
    with pytest.raises(ArtifactError, match=r"v\.json(.|\n)*numbers\.0"):
        read_values(tmp_path / "v.json", Values)
