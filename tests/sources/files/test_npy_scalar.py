import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.sources.files.npy_scalar import read_scalar
from fer_core.sources.files.tree import open_tree

# as `np.save(path, "7")` writes it: magic, version 1.0, length of the header, the header filled up
# with spaces, four bytes of data
SEVEN = (
    b"\x93NUMPY\x01\x00\x76\x00"
    b"{'descr': '<U1', 'fortran_order': False, 'shape': (), }                                                              \n"
    b"7\x00\x00\x00"
)


def npy(descr: str, data: bytes, shape: str = "()") -> bytes:
    header = (
        f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode()
        + b"\n"
    )
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def saved(array: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array), allow_pickle=True)
    return stream.getvalue()


def read(folder, data):
    (folder / "1_exp.npy").write_bytes(data)
    return read_scalar(open_tree(folder), "1_exp.npy")


def test_files_typed_by_hand_are_as_numpy_writes_them():
    assert len(SEVEN) == 132
    assert saved("7") == SEVEN == npy("<U1", b"7\0\0\0")


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (SEVEN, "7"),
        (npy("<U2", b"1\0\0\x000\0\0\0"), "10"),
        (npy("<U2", b"3\0\0\0\0\0\0\0"), "3"),
        (npy(">U1", b"\0\0\x005"), "5"),
        (npy("|S1", b"4"), "4"),
        (npy("|u1", b"\x06"), "6"),
        (npy("<i8", b"\x02" + bytes(7)), "2"),
        (npy(">i4", b"\0\0\0\x03"), "3"),
        (npy("<i2", b"\xff\xff"), "-1"),
        (npy("<U1", b"1\0\0\0", "(1,)"), "1"),
    ],
)
def test_text_and_whole_numbers_are_read(tmp_path, data, value):
    assert (
        read(tmp_path, data)
        == value
        == str(
            np.load(io.BytesIO(data)).item().decode()
            if b"|S" in data
            else np.load(io.BytesIO(data)).item()
        )
    )


@given(
    value=st.text(max_size=20).filter(lambda text: not text.endswith("\0"))
    | st.integers(-(2**63), 2**63 - 1)
    | st.binary(max_size=9)
)
def test_what_numpy_saves_comes_back(tmp_path_factory, value):
    array = np.array(value)
    text = array.item().decode("latin-1") if isinstance(value, bytes) else str(array.item())
    assert read(tmp_path_factory.mktemp("npy"), saved(array)) == text


class Bad:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (saved(np.array(Bad(), dtype=object)), "no numpy file.*Object arrays cannot be loaded"),
        (pickle.dumps(Bad()), "no numpy file"),
        (saved(1.0), "no numpy file.*float64"),
        (saved([1, 2]), r"no numpy file.*\(2,\)"),
        (saved([[1]]), "no numpy file"),
        (saved(np.zeros((), "i4,i4")), "no numpy file"),
        (saved(True), "no numpy file"),
        (saved(np.datetime64(1, "s")), "no numpy file"),
        (saved([]), "no numpy file"),
        (SEVEN[:-1], "no numpy file.*expected 4 bytes got 3"),
        (SEVEN + b"\0", "no numpy file.*goes on behind its array"),
        (SEVEN[:60], "no numpy file"),
        (SEVEN[:8], "no numpy file"),
        (b"", "no numpy file.*0 bytes"),
        (b"7", "no numpy file"),
        (b"\x93NUMPY\x02" + SEVEN[7:], "no numpy file"),
        (SEVEN.replace(b"()", b"(-1)"), "no numpy file"),
        (npy("<U9999", b"7\0\0\0"), "no numpy file.*expected 39996 bytes got 4"),
        (npy("<U1", b"\0\0\0\xff"), "no numpy file"),
        (npy("<U1024", b"7\0\0\0" * 1024), "too large.*more than 4096 bytes"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, data, problem):
    with pytest.raises(DataError, match=rf"(?s){problem}") as caught:
        read(tmp_path, data)
    assert caught.value.where == tmp_path / "1_exp.npy"


@given(
    data=st.binary(max_size=200)
    | st.tuples(st.integers(0, 131), st.binary(max_size=3)).map(
        lambda edit: SEVEN[: edit[0]] + edit[1] + SEVEN[edit[0] :]
    )
)
@example(b"\x93NUMPY\x01\x00\xff\xff")
def test_any_bytes_give_a_value_or_an_error(tmp_path_factory, data):
    try:
        value = read(tmp_path_factory.mktemp("npy"), data)
    except DataError as error:
        assert "1_exp.npy" in str(error) and max(map(len, str(error).splitlines())) < 1000
    else:
        assert str(np.load(io.BytesIO(data)).item()) == value


def test_damaged_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "annotations.zip", "w") as archive:
        archive.writestr("1_exp.npy", SEVEN)
    data = (tmp_path / "annotations.zip").read_bytes()
    (tmp_path / "annotations.zip").write_bytes(data.replace(b"7\0\0\0PK", b"6\0\0\0PK"))
    with pytest.raises(DataError, match=r"(?s)damaged.*1_exp\.npy"):
        read_scalar(open_tree(tmp_path), "annotations/1_exp.npy")
