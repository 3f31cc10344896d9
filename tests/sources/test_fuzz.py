"""Damaged and hostile files: whatever the bytes, the answer is faces or a `FerError`.

FER_TEST_FUZZ_EXAMPLES sets how many examples each test tries.
"""

import gzip
import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import FerError
from fer_core.pixels.decode import UndecodableImage, decode_rgb
from fer_core.sources.files.tree import open_tree
from tests.sources.bounds import bounded, fuzz
from tests.sources.drawn import LAYOUTS, cleaned
from tests.sources.files.test_archives import tarred
from tests.sources.trees import encoded, picture, zipped

LABELS = [
    (layout, label) for layout, tree in LAYOUTS.items() for label in (*tree.labels, *tree.others)
]
NASTY = [
    *(
        b"",
        b" ",
        b",",
        b"\n",
        b"\r",
        b"\0",
        b"\t",
        b'"',
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        "é".encode(),
        "１".encode(),
    ),
    *(
        b"-1",
        b"0",
        b"1",
        b"7",
        b"8",
        b"11",
        b"0.5",
        b"1e308",
        b"-1e999",
        b"nan",
        b"inf",
        b"0x10",
        b"1_0",
        b"+3",
        b"9" * 20,
        b"9" * 400,
        b"9" * 5000,
    ),
    *(
        b"..",
        b"../x.jpg",
        b"/etc/passwd",
        b"C:\\x.jpg",
        b"a//b.jpg",
        b".",
        b"x/" * 2000,
        b"a" * 300,
        b"train_",
        b"test_1",
        b"Training",
        b"None",
    ),
]
piece = st.sampled_from(NASTY) | st.binary(max_size=6)
place = st.integers(-15, 15) | st.integers(0, 1 << 16)
edits = st.lists(
    st.tuples(
        st.sampled_from(["token", "token", "overwrite", "insert", "delete", "copy line", "cut"]),
        place,
        place,
        piece,
    ),
    max_size=4,
)


def edited(data: bytes, changes: list[tuple[str, int, int, bytes]]) -> bytes:
    """The bytes after a few accidents; places count from the end where they are negative."""
    for kind, first, second, new in changes:
        at, length = first % (len(data) + 1), abs(second) % 64
        if kind == "token":
            tokens = re.split(rb"([ ,\n]+)", data)
            tokens[first % len(tokens)] = new
            data = b"".join(tokens)
        elif kind == "overwrite":
            data = data[:at] + new + data[at + len(new) :]
        elif kind == "insert":
            data = data[:at] + new + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + length :]
        elif kind == "cut":
            data = data[:at]
        else:
            lines = data.splitlines(keepends=True) or [b""]
            lines.insert(first % len(lines), lines[second % len(lines)])
            data = b"".join(lines)
    return data


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder for each layout with its tree in `raw/set`, built once."""
    places: dict[str, Path] = {}

    def of(layout: str) -> Path:
        if layout not in places:
            places[layout] = tmp_path_factory.mktemp(layout)
            (places[layout] / "raw/set").mkdir(parents=True)
            LAYOUTS[layout].build(places[layout] / "raw/set")
        return places[layout]

    return of


def survives(work: Path, layout: str, file: str, data: bytes) -> None:
    """Clean the tree with other bytes in one of its files; then put the old ones back."""
    path = work / "raw/set" / file
    before = path.read_bytes()
    path.write_bytes(data)
    try:
        with bounded():
            cleaned(
                work,
                layout,
                allow_undecodable=1000,
                max_pixels=100_000,
                expw={"pad_ratio": 0.3},
                ferplus={"mode": "multi_target"},
            )
    except FerError as error:
        assert not error.problem.startswith("Faces and exclusions"), (
            error
        )  # what a reader announces is what it yields, however odd the file
        assert "\0" not in str(error) and max(map(len, str(error).splitlines())) < 1000
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize(("layout", "label"), LABELS)
@fuzz
@given(changes=edits)
def test_edited_label_file(workshop, layout, label, changes):
    work = workshop(layout)
    survives(work, layout, label, edited((work / "raw/set" / label).read_bytes(), changes))


@pytest.mark.parametrize(("layout", "label"), LABELS)
@fuzz
@given(data=st.data())
def test_label_file_with_other_words(workshop, layout, label, data):
    work = workshop(layout)
    first, *lines = (work / "raw/set" / label).read_bytes().splitlines()
    separator = b"," if b"," in first else b" "
    rows = [line.split(separator) for line in [first, *lines]]
    words = st.sampled_from(NASTY) | st.sampled_from([word for row in rows for word in row][:60])
    made = []
    for row in data.draw(st.lists(st.sampled_from(rows), max_size=4)):
        changes = data.draw(st.dictionaries(st.integers(0, len(row) - 1), words, max_size=3))
        made.append(separator.join(changes.get(column, word) for column, word in enumerate(row)))
    survives(work, layout, label, b"\n".join([first, *made] if data.draw(st.booleans()) else made))


@pytest.mark.parametrize(("layout", "label"), LABELS)
@fuzz
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_label_file_of_any_bytes(workshop, layout, label, data):
    survives(workshop(layout), layout, label, data)


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if LAYOUTS[layout].images])
@fuzz
@given(data=st.data())
def test_edited_image_in_a_data_set(workshop, layout, data):
    work = workshop(layout)
    image = data.draw(st.sampled_from(LAYOUTS[layout].images))
    survives(work, layout, image, edited((work / "raw/set" / image).read_bytes(), data.draw(edits)))


def flavours() -> dict[str, bytes]:
    """Small images of every kind that we decode."""
    colour, grey = picture(1, 12, 17), picture(2, 12, 17, 1)
    deep, clear = colour.astype(np.uint16) * 257, np.dstack([colour, colour[..., 0]])
    plain = encoded(colour, ".jpg")
    exif = (
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6
    )
    return {
        **{
            f"{suffix} {name}": encoded(image, suffix)
            for suffix in (".png", ".jpg", ".bmp", ".webp")
            for name, image in (("3", colour), ("1", grey))
        },
        "16 bits": encoded(deep),
        "alpha png": encoded(clear),
        "alpha webp": encoded(clear, ".webp"),
        "progressive": cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
        "lossless": cv2.imencode(".webp", colour, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes(),
        "turned": plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:],
    }


def mended(png: bytes) -> bytes:
    """The same with right checksums, so that the damage reaches the decoder."""
    out, at = bytearray(png), 8
    while at + 12 <= len(out):
        length = int.from_bytes(out[at : at + 4], "big")
        if at + 12 + length > len(out):
            break
        out[at + 8 + length : at + 12 + length] = zlib.crc32(
            out[at + 4 : at + 8 + length]
        ).to_bytes(4, "big")
        at += 12 + length
    return bytes(out)


@pytest.mark.parametrize("flavour", flavours())
@fuzz
@given(changes=edits, mend=st.booleans())
def test_edited_image(flavour, changes, mend):
    data = edited(flavours()[flavour], changes)
    if mend and data.startswith(b"\x89PNG"):
        data = mended(data)
    try:
        image = decode_rgb(data, "x", max_pixels=100_000)
        assert image.dtype == np.uint8 and image.shape[2:] == (3,) and image.size <= 300_000
    except UndecodableImage as error:
        assert error.where == "x"


@fuzz
@given(
    start=st.sampled_from(
        [
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"BM",
            b"RIFF\x20\0\0\0WEBPVP8 ",
            b"RIFF\x20\0\0\0WEBPVP8L",
        ]
    ),
    rest=st.binary(),
)
def test_image_of_any_bytes(start, rest):
    with pytest.raises(UndecodableImage):
        decode_rgb(start + rest, "x", max_pixels=100_000)


FILES = {
    "train/happy/a.png": encoded(picture(1)),
    "train/sad/b.jpg": encoded(picture(2), ".jpg"),
    "notes.txt": b"some text\n" * 200,
}


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
@fuzz
@given(changes=edits)
def test_edited_archive(tmp_path, name, changes):
    path = tmp_path / name
    zipped(path, FILES) if name.endswith("zip") else tarred(
        path, FILES, "w:gz" if name.endswith("gz") else "w"
    )
    path.write_bytes(edited(path.read_bytes(), changes))
    try:
        tree = open_tree(path)
        for file in tree.walk():
            assert len(tree.read(file)) < 100_000
            with tree.open(file) as stream:
                stream.read(100)
    except FerError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
@fuzz
@given(data=st.binary(max_size=2000))
def test_archive_of_any_bytes(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    try:
        list(open_tree(tmp_path / name).walk())
    except FerError as error:
        assert name in str(error)


@pytest.mark.parametrize("label", ["fer2013.csv.gz", "fer2013.csv.zip"])
@fuzz
@given(changes=edits)
def test_edited_compressed_table(workshop, label, changes):
    table = (workshop("fer2013") / "raw/set/fer2013.csv").read_bytes()
    work = workshop("fer2013").with_name(label)
    path = work / "raw/set" / label
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(table, mtime=0)) if label.endswith("gz") else zipped(
        path, {"fer2013.csv": table}
    )
    survives(work, "fer2013", label, edited(path.read_bytes(), changes))
