"""Every parser of the data side on hostile input: only `FerError`, under 2 GB, under 5 s.

The label files and images of all layouts are in `test_fuzz.py`.
"""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from fer_core.base.errors import FerError
from fer_core.pixels.damage import check_whole
from fer_core.pixels.decode import image_size
from fer_core.sources.adding.place import find_place
from fer_core.sources.catalogue.descriptor import read_descriptor
from fer_core.sources.files.class_names import read_class_names
from fer_core.sources.files.npy_scalar import read_scalar
from fer_core.sources.files.subjects import check_pattern, person_in, read_subjects
from fer_core.sources.files.tree import open_tree
from fer_core.sources.images.photos import as_usual_format, decode_photo
from fer_core.sources.layouts.csv_labels import READER as csv_labels
from fer_core.sources.layouts.parquet import READER as parquet
from tests.sources.bounds import bounded, fuzz
from tests.sources.test_fuzz import edited, edits
from tests.sources.trees import clean_options, encoded, picture

DESCRIPTOR = {
    "name": "set",
    "layout": "folder7",
    "present": True,
    "root": "set",
    "files": 1,
    "bytes": 1,
    "fingerprint": "0",
    "licence": "",
}
HOSTILE = [
    *(None, True, -1, 1.5, 10**400, "", "x" * 300, "../x", "/x", "a\0b", "C:\\x", "(", "x" * 5000),
    *(["x"], {"a": {}}, float("1e308"), "\ud800", "\u202e"),
]
DEEP = [
    *("[" * 100_000, '{"a":' * 100_000, "9" * 100_000, "[" * 100_000 + "]" * 100_000),
    *("NaN", "1e999", "- " * 100_000, "a: " * 1000, "names: .inf", "names: [.nan, -.inf]"),
    "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 25)),
    "names: " + "{a: " * 5000,
    "names:\n" + "".join(f"  {n}: x{n}\n" for n in range(50_000)),
    "&a [*a]",
]


def only_our_errors(work, *arguments):
    with bounded():
        try:
            return work(*arguments)
        except FerError as error:
            assert len(str(error)) < 20_000 and "\0" not in str(error)
            return None


@fuzz
@given(
    changes=st.dictionaries(
        st.sampled_from([*DESCRIPTOR, "sample", "group_pattern", "corrected", "labels", "more"]),
        st.sampled_from(HOSTILE),
        max_size=3,
    ),
    edit=edits,
)
@example(changes={"layout": "\ud800"}, edit=[])
def test_descriptors(tmp_path, changes, edit):
    file = tmp_path / "set.json"
    file.write_bytes(edited(json.dumps(DESCRIPTOR | changes).encode(), edit))
    descriptor = only_our_errors(read_descriptor, file)
    if descriptor is not None and descriptor.root is not None:
        assert not Path(descriptor.root).is_absolute()
        (tmp_path / "raw" / descriptor.root).exists()


@pytest.mark.parametrize("text", DEEP, ids=range(len(DEEP)))
def test_deep_wide_and_infinite_texts(tmp_path, text):
    (tmp_path / "set.json").write_text(text)
    only_our_errors(read_descriptor, tmp_path / "set.json")
    (tmp_path / "data.yaml").write_text(text)
    only_our_errors(read_class_names, open_tree(tmp_path), "data.yaml")


@fuzz
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode), edit=edits)
def test_class_names(tmp_path, data, edit):
    sound = b"nc: 3\nnames:\n  0: happy\n  1: &a sad\n  2: [*a, 0x1, 1e3, ~]\n"
    for text in (data, edited(sound, edit)):
        (tmp_path / "data.yaml").write_bytes(text)
        only_our_errors(read_class_names, open_tree(tmp_path), "data.yaml")


@fuzz
@given(edit=edits)
def test_subjects(tmp_path, edit):
    (tmp_path / "subjects.csv").write_bytes(edited(b"file,subject\na/b.png,ann\nc.png,bob\n", edit))
    only_our_errors(read_subjects, open_tree(tmp_path), "")


@fuzz
@given(data=st.binary(max_size=300), edit=edits)
def test_numpy_scalars(tmp_path, data, edit):
    sound = b"\x93NUMPY\x01\0v\0{'descr': '<U1', 'fortran_order': False, 'shape': (), }"
    for content in (data, edited(sound + b" " * 60 + b"\n3\0\0\0", edit)):
        (tmp_path / "a.npy").write_bytes(content)
        only_our_errors(read_scalar, open_tree(tmp_path), "a.npy")


def rare(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture(1, 20, 30)).save(stream, kind)
    return stream.getvalue()


PICTURES = {
    "jpeg": encoded(picture(1, 40, 60), ".jpg"),
    "tiff": rare("TIFF"),
    "gif": rare("GIF"),
    "bmp": rare("BMP"),
    "webp": encoded(picture(1), ".webp"),
    "heic": b"\0\0\0\x18ftypheic" + bytes(40),
}


@pytest.mark.parametrize("kind", PICTURES)
@fuzz
@given(edit=edits)
def test_pictures_of_data_sets(kind, edit):
    data = edited(PICTURES[kind], edit)
    usual = only_our_errors(as_usual_format, data, "x", 100_000)
    if usual is not None and only_our_errors(image_size, usual, "x") is not None:
        only_our_errors(check_whole, usual, "x")
        only_our_errors(decode_photo, usual, "x", 100_000)


def table() -> bytes:
    stream = io.BytesIO()
    names = json.dumps({"info": {"features": {"label": {"names": ["happy", "sad"]}}}})
    image = pa.array(
        [{"bytes": encoded(picture(n)), "path": f"{n}.png"} for n in range(3)],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    columns = pa.table({"image": image, "label": [0, 1, 0], "split": ["train", "test", "train"]})
    pq.write_table(columns.replace_schema_metadata({"huggingface": names}), stream)
    return stream.getvalue()


PARQUET = table()


@fuzz
@given(edit=edits, tail=st.booleans())
def test_parquet_files(tmp_path, edit, tail):
    half = len(PARQUET) // 2
    data = PARQUET[:half] + edited(PARQUET[half:], edit) if tail else edited(PARQUET, edit)
    (tmp_path / "a.parquet").write_bytes(data)

    def whole() -> None:
        tree = open_tree(tmp_path)
        parquet.recognise(tree)
        parquet.announce(tree, clean_options())
        list(parquet.scan(open_tree(tmp_path), "set", clean_options()))

    only_our_errors(whole)


NAMES = [
    "a.csv",
    "fer2013.csv",
    "label.lst",
    "a.parquet",
    "a.zip",
    "a.tar.gz",
    "a.7z",
    "a",
    "a.txt",
]


@fuzz
@given(
    name=st.sampled_from(NAMES),
    data=st.binary(max_size=100)
    | st.sampled_from(
        [
            b"image,label\n",
            b"file;emotion\na;b\n",
            b"emotion,pixels,Usage\n",
            b"PAR1",
            b"PK\x03\x04",
        ]
    ),
)
def test_given_files_of_any_content(tmp_path_factory, name, data):
    file = tmp_path_factory.mktemp("given") / name
    file.write_bytes(data)
    found = only_our_errors(find_place, file)
    assert found is None or found.path in (file, file.parent) or file in found.path.parents


@fuzz
@given(pattern=st.text(max_size=30), path=st.text(max_size=40))
def test_patterns_of_persons(pattern, path):
    try:
        check_pattern(pattern)
    except ValueError:
        return
    assert isinstance(person_in(path, pattern), str)


def test_a_label_path_longer_than_any_file_system_takes_is_refused(tmp_path: Path):
    for name in ("x" * 256 + ".png", "é" * 140, "/".join(["x" * 200] * 6)):
        (tmp_path / "list.csv").write_text(f"image,label\n{name},sad\n")
        with pytest.raises(FerError, match="path that is too long"):
            csv_labels.announce(open_tree(tmp_path), clean_options())
