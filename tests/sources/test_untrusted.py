"""What strangers may put into a data set, for every layout: the answer is the right faces or an
error that names the place.
"""

import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import pytest

from fer_core.base.errors import DataError
from fer_core.pixels.decode import decode_rgb
from fer_core.sources.catalogue import registry
from fer_core.sources.catalogue.faces import Exclusion, Face
from fer_core.sources.catalogue.registry import reader_for, recognise
from fer_core.sources.files.tree import open_tree
from tests.sources.drawn import LAYOUTS, cleaned
from tests.sources.trees import clean_options, encoded, picture

LABELS = [(layout, label) for layout, tree in LAYOUTS.items() for label in tree.labels]
OTHERS = [(layout, label) for layout, tree in LAYOUTS.items() for label in tree.others]
IMAGES = [(layout, image) for layout, tree in LAYOUTS.items() for image in tree.images]
ENTRIES = [layout for layout, tree in LAYOUTS.items() if tree.entry]

each_label_file = pytest.mark.parametrize(("layout", "label"), LABELS)
each_image = pytest.mark.parametrize(("layout", "image"), IMAGES)


def built(tmp_path: Path, layout: str) -> Path:
    root = tmp_path / "raw/set"
    root.mkdir(parents=True)
    LAYOUTS[layout].build(root)
    return root


def items(root: Path, layout: str) -> list[Face | Exclusion]:
    reader, tree, options = reader_for(layout), open_tree(root), clean_options()
    announced = reader.announce(tree, options)
    found = list(reader.scan(tree, "set", options))
    assert sum(sum(words.values()) for words in announced.values()) == len(found)
    return found


def refused(root: Path, layout: str, words: str) -> None:
    """Both passes over the label files refuse the tree, with these words."""
    reader, options = reader_for(layout), clean_options()
    with pytest.raises(DataError, match=f"(?s){words}"):
        reader.announce(open_tree(root), options)
    with pytest.raises(DataError, match=f"(?s){words}"):
        list(reader.scan(open_tree(root), "set", options))


def test_every_layout_has_a_tree_here():
    assert set(LAYOUTS) == set(registry.LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_tree_here_is_recognised(tmp_path, layout):
    assert recognise(open_tree(built(tmp_path, layout)), preferred=layout) == layout


@pytest.mark.parametrize("layout", LAYOUTS)
def test_raw_data_are_never_written_to(tmp_path, layout):
    root = built(tmp_path, layout)
    for path in [root, *root.rglob("*")]:
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o555 if path.is_dir() else 0o444)

    def listing() -> dict[str, tuple[int, int, int, bytes]]:
        stats = {path: path.stat() for path in sorted([root, *root.rglob("*")])}
        return {
            str(path): (
                stat.st_mode,
                stat.st_mtime_ns,
                stat.st_ino,
                path.read_bytes() if path.is_file() else b"",
            )
            for path, stat in stats.items()
        }

    before = listing()
    faces = cleaned(tmp_path, layout).faces
    after = listing()
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755)
    assert faces > 0
    assert after == before


def bomb() -> bytes:
    """A PNG of a few bytes that says it has ten thousand million pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@each_image
def test_decompression_bomb_is_named_and_never_decoded(tmp_path, monkeypatch, layout, image):
    root = built(tmp_path, layout)
    (root / image).write_bytes(bomb())
    decode = cv2.imdecode
    monkeypatch.setattr(
        cv2,
        "imdecode",
        lambda data, flags: (
            pytest.fail("decoded") if data.tobytes() == bomb() else decode(data, flags)
        ),
    )
    with pytest.raises(
        DataError,
        match=rf"(?s)cannot be decoded.*{Path(image).stem.removesuffix('_aligned')}.*100000 x "
        r"100000",
    ):
        cleaned(tmp_path, layout)


@each_image
def test_image_that_is_cut_short_is_named(tmp_path, layout, image):
    root = built(tmp_path, layout)
    data = (root / image).read_bytes()
    (root / image).write_bytes(data[: len(data) // 2])
    with pytest.raises(
        DataError,
        match=rf"(?s)cannot be decoded.*{Path(image).stem.removesuffix('_aligned')}.*damaged",
    ):
        cleaned(tmp_path, layout)


@each_image
def test_text_that_is_called_an_image_is_named(tmp_path, layout, image):
    root = built(tmp_path, layout)
    (root / image).write_text("<html>404 Not Found</html>")
    with pytest.raises(
        DataError,
        match=rf"(?s)cannot be decoded.*{Path(image).stem.removesuffix('_aligned')}.*no image of a "
        r"known format",
    ):
        cleaned(tmp_path, layout)
    assert cleaned(tmp_path, layout, allow_undecodable=10).exclusions["undecodable image"] >= 1


@each_image
def test_the_bytes_decide_on_the_format_not_the_name(tmp_path, layout, image):
    root = built(tmp_path, layout)
    before = [(item.sample_id, type(item)) for item in items(root, layout)]
    for suffix in (".png", ".jpg", ".bmp", ".webp"):
        (root / image).write_bytes(encoded(picture(7, 60, 80), suffix))
        found = items(root, layout)
        assert [(item.sample_id, type(item)) for item in found] == before
        for item in found:
            assert isinstance(item, Exclusion) or decode_rgb(item.image, "").ndim == 3


@pytest.mark.parametrize("layout", ENTRIES)
@pytest.mark.parametrize(
    "folder", ["/", "/etc/", "../", "a/../../", "C:/", "C:\\", "..\\", "\\\\server\\share\\"]
)
def test_path_out_of_the_data_set_is_refused_with_its_line(tmp_path, layout, folder):
    root = built(tmp_path, layout)
    label = LAYOUTS[layout].labels[0]
    with (root / label).open("a") as stream:
        stream.write(LAYOUTS[layout].entry.format(folder) + "\n")
    lines = len((root / label).read_text().splitlines())
    refused(root, layout, rf"outside its data set.*{Path(label).name}, line {lines}")


@each_label_file
def test_line_of_a_million_columns_is_refused_without_reading_it_whole(tmp_path, layout, label):
    root = built(tmp_path, layout)
    with (root / label).open("a") as stream:
        stream.write("0," * 10_000_000)
    tracemalloc.start()
    try:
        refused(root, layout, rf"too (long|large).*{Path(label).name}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@each_label_file
def test_bytes_that_are_no_utf8_are_refused_with_their_line(tmp_path, layout, label):
    root = built(tmp_path, layout)
    lines = (root / label).read_bytes().splitlines(keepends=True)
    (root / label).write_bytes(b"".join([*lines[:-1], b"\xff\xfe" + lines[-1]]))
    refused(root, layout, rf"not text.*{Path(label).name}, line {len(lines)}")


@each_label_file
def test_nul_byte_in_a_line_is_refused(tmp_path, layout, label):
    root = built(tmp_path, layout)
    lines = (root / label).read_bytes().splitlines(keepends=True)
    for place in range(len(lines[-1])):
        (root / label).write_bytes(
            b"".join([*lines[:-1], lines[-1][:place], b"\0", lines[-1][place:]])
        )
        refused(root, layout, rf"{Path(label).name}, line {len(lines)}")
        if place > 30:
            break


@each_label_file
def test_label_file_that_is_cut_short_is_refused(tmp_path, layout, label):
    root = built(tmp_path, layout)
    data = (root / label).read_bytes().rstrip(b"\n")
    last = max(data.rfind(b" "), data.rfind(b","))
    (root / label).write_bytes(data[:last])
    refused(root, layout, Path(label).name)


@pytest.mark.parametrize(
    ("layout", "label"), [pair for pair in LABELS if not LAYOUTS[pair[0]].may_be_empty]
)
@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n \r\n\n", b"\xef\xbb\xbf"])
def test_empty_label_file_is_refused(tmp_path, layout, label, data):
    root = built(tmp_path, layout)
    (root / label).write_bytes(data)
    refused(root, layout, rf"(empty|header).*{Path(label).name}")


@pytest.mark.parametrize(("layout", "label"), LABELS + OTHERS)
def test_label_file_that_is_a_folder_is_refused(tmp_path, layout, label):
    root = built(tmp_path, layout)
    (root / label).unlink()
    (root / label).mkdir()
    refused(root, layout, rf"missing.*{Path(label).name}")


@pytest.mark.parametrize(("layout", "label"), OTHERS)
@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 200, b"\xff\xfe" * 99, b"0," * 10_000_000, b"[" * 100_000],
    ids=["empty", "NUL", "binary", "long", "deep"],
)
def test_other_label_file_of_nonsense_is_refused_in_little_memory(tmp_path, layout, label, data):
    root = built(tmp_path, layout)
    (root / label).write_bytes(data)
    tracemalloc.start()
    try:
        refused(root, layout, Path(label).name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@each_label_file
def test_windows_line_ends_a_byte_order_mark_and_blank_lines_change_nothing(
    tmp_path, layout, label
):
    root = built(tmp_path, layout)
    wanted, text = items(root, layout), (root / label).read_bytes()
    for other in (
        text.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + text,
        text.rstrip(b"\n"),
        text + b"\n\r\n   \n",
    ):
        (root / label).write_bytes(other)
        assert items(root, layout) == wanted


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("change", [str.upper, str.swapcase])
def test_case_of_file_names_does_not_matter(tmp_path, layout, change):
    def facts() -> list[tuple[object, ...]]:
        return sorted(
            (item.split, item.label, item.image)
            if isinstance(item, Face)
            else (item.split, -2, b"")
            for item in items(root, layout)
        )

    root = built(tmp_path, layout)
    wanted = facts()
    for name in (*LAYOUTS[layout].labels, *LAYOUTS[layout].others, *LAYOUTS[layout].images):
        (root / name).rename((root / name).with_name(change(Path(name).name)))
    assert facts() == wanted
