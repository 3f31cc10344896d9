import gzip
import io
import stat
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from fer_core.base.errors import DataError
from fer_core.sources.files.tree import open_tree
from tests.sources.trees import zipped


def tarred(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.zip"])
def test_members_are_read_in_place(tmp_path, name):
    files = {"d/x": b"1" * 1000, "d/y": b"2", "__MACOSX/z": b"3", "d/.DS_Store": b"4"}
    path = tmp_path / name
    zipped(path, files) if name.endswith("zip") else tarred(
        path, files, "w:gz" if "gz" in name else "w"
    )
    tree = open_tree(path)
    assert list(tree.walk()) == ["d/x", "d/y"]
    assert (tree.read("d/x"), tree.read("d/y")) == (b"1" * 1000, b"2")
    with tree.open("d/x") as stream:
        assert stream.read(3) == b"111"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "C:/x", "a\\..\\x"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_that_leave_the_archive_refuse_it(tmp_path, name, kind):
    path = tmp_path / f"a.{kind}"
    (zipped if kind == "zip" else tarred)(path, {"good": b"", name: b""})
    with pytest.raises(DataError, match="member of this archive"):
        open_tree(path).names()


def test_links_and_repeated_names_refuse_the_archive(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DataError, match=r"(?s)link or device.*found: link"):
        open_tree(tmp_path / "a.tar").names()
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="link or device"):
        open_tree(tmp_path / "b.zip").names()
    tarred(tmp_path / "c.tar", {"x": b"1"})
    with tarfile.open(tmp_path / "c.tar", "a") as archive:
        archive.addfile(tarfile.TarInfo("./x"))
    with pytest.raises(DataError, match="there twice"):
        open_tree(tmp_path / "c.tar").names()


def test_a_damaged_archive_says_so(tmp_path):
    zipped(tmp_path / "a.zip", {"x": b"123456789" * 100})
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[40] ^= 255
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"(?s)damaged.*a\.zip"):
        open_tree(tmp_path / "a.zip").read("x")
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 but no more")
    with pytest.raises(DataError, match="damaged"):
        open_tree(tmp_path / "b.zip").names()


def test_a_compressed_tar_of_many_files_is_refused_with_the_remedy(tmp_path):
    tarred(tmp_path / "a.tar.gz", {f"{n}.png": b"1" for n in range(65)}, "w:gz")
    with pytest.raises(DataError, match="gzip -d"):
        open_tree(tmp_path / "a.tar.gz").names()


def test_a_bomb_gives_no_more_bytes_than_its_size_says(tmp_path):
    zipped(tmp_path / "a.zip", {"x": bytes(100_000_000)})
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(
        data.replace(struct.pack("<I", 100_000_000), struct.pack("<I", 100))
    )
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="damaged"):
            open_tree(tmp_path / "a.zip").read("x")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_a_member_that_is_cut_short_is_refused(tmp_path, name):
    tarred(tmp_path / "whole.tar", {"x": b"1" * 5000})
    data = (tmp_path / "whole.tar").read_bytes()[:3000]
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    with pytest.raises(DataError, match=r"(?s)damaged.*a\.tar"):
        open_tree(tmp_path / name).read("x")


def test_a_member_of_absurd_size_is_refused_without_making_room_for_it(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("x")
        info.size = 1 << 40
        archive.addfile(info)
    with pytest.raises(DataError, match=r"damaged|too large"):
        open_tree(tmp_path / "a.tar").read("x")
    with pytest.raises(DataError, match="damaged"), open_tree(tmp_path / "a.tar").open("x"):
        pass


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_folders_inside_each_other_without_end_are_refused(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    (zipped if kind == "zip" else tarred)(path, {"d/" * 5000 + "x": b"1"})
    with pytest.raises(DataError, match="too many folders"):
        list(open_tree(path).walk())


def test_sparse_members_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.type = tarfile.GNUTYPE_SPARSE
        archive.addfile(info)
    with pytest.raises(DataError, match="link or device"):
        open_tree(tmp_path / "a.tar").names()


def test_backslashes_in_a_member_are_called_what_they_are(tmp_path):
    zipped(tmp_path / "a.zip", {"train\\happy\\a.png": b"x"})
    with pytest.raises(
        DataError, match=r"(?s)has backslashes in its name.*a\.zip.*unpack it"
    ) as caught:
        list(open_tree(tmp_path / "a.zip").walk())
    assert "absolute" not in str(caught.value)
