import gzip
import os
import zipfile
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.pixels.decode import decode_rgb
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.fer2013 import READER as fer2013
from tests.sources.trees import clean_options, fer2013_csv, fer2013_rows, picture, read

LABELS = [(0, "Training"), (6, "Training"), (3, "PublicTest"), (5, "PrivateTest")]


def table(tmp_path: Path) -> Path:
    return fer2013_csv(tmp_path / "fer2013.csv", fer2013_rows(LABELS))


def test_rows_become_png_faces_with_official_ids_splits_and_keys(tmp_path):
    table(tmp_path)
    faces, exclusions = read(fer2013, tmp_path, "fer2013")
    assert exclusions == []
    assert [(face.sample_id, CLASSES[face.label], face.split, face.usage) for face in faces] == [
        ("fer2013/Training-0000000", "Angry", "train", "Training"),
        ("fer2013/Training-0000001", "Neutral", "train", "Training"),
        ("fer2013/PublicTest-0000002", "Happy", "test", "PublicTest"),
        ("fer2013/PrivateTest-0000003", "Surprise", "test", "PrivateTest"),
    ]
    assert faces[2].image.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decode_rgb(faces[2].image, "")[..., 1], picture(2, 48, 48, 1))


def test_announces_counts_per_class_and_split(tmp_path):
    table(tmp_path)
    expected = {"train": {"Angry": 1, "Neutral": 1}, "test": {"Happy": 1, "Surprise": 1}}
    assert fer2013.announce(open_tree(tmp_path), clean_options()) == expected


def test_compressed_tables_give_the_same_faces(tmp_path):
    plain = table(tmp_path / "plain")
    for name in ("gz", "zip", "kaggle"):
        (tmp_path / name).mkdir()
    (tmp_path / "gz/fer2013.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    for target in (tmp_path / "zip/fer2013.csv.zip", tmp_path / "kaggle/fer2013.zip"):
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("readme.txt", "x")
            archive.writestr("fer2013/fer2013.csv", plain.read_text().replace("\n", "\r\n"))
    wanted = read(fer2013, tmp_path / "plain")
    for name in ("gz", "zip", "kaggle"):
        assert fer2013.recognise(open_tree(tmp_path / name))
        assert read(fer2013, tmp_path / name) == wanted


def kaggle(path: Path, header: str = "emotion, Usage, pixels") -> Path:
    """Kaggle's table: other columns first, blanks in the header alone."""
    return fer2013_csv(
        path, [[label, usage, pixels] for label, pixels, usage in fer2013_rows(LABELS)], header
    )


def test_kaggles_table_gives_the_same_faces(tmp_path):
    table(tmp_path / "official")
    kaggle(tmp_path / "kaggle/icml_face_data.csv")
    (tmp_path / "zip").mkdir()
    with zipfile.ZipFile(tmp_path / "zip/icml_face_data.csv.zip", "w") as archive:
        archive.write(tmp_path / "kaggle/icml_face_data.csv", "icml_face_data.csv")
    wanted = read(fer2013, tmp_path / "official")
    for name in ("kaggle", "zip"):
        assert fer2013.recognise(open_tree(tmp_path / name))
        assert read(fer2013, tmp_path / name) == wanted


@pytest.mark.parametrize("order", list(permutations((0, 1, 2))))
def test_columns_may_stand_in_any_order(tmp_path, order):
    table(tmp_path / "official")
    names = ("emotion", "pixels", "Usage")
    rows = [[row[column] for column in order] for row in fer2013_rows(LABELS)]
    fer2013_csv(
        tmp_path / "other/fer2013.csv", rows, header=", ".join(names[column] for column in order)
    )
    assert read(fer2013, tmp_path / "other") == read(fer2013, tmp_path / "official")


@pytest.mark.parametrize(
    "header",
    [
        "emotion, Usage",
        "emotion,Usage,pixels,extra",
        "emotion,emotion,pixels",
        "Emotion,Usage,pixels",
        "x",
    ],
)
def test_another_header_is_refused(tmp_path, header):
    kaggle(tmp_path / "icml_face_data.csv", header)
    with pytest.raises(
        DataError, match=r"(?s)another header.*icml_face_data\.csv, line 1.*emotion,pixels,Usage"
    ):
        read(fer2013, tmp_path)


def test_the_official_table_is_preferred_to_kaggles(tmp_path):
    table(tmp_path)
    kaggle(tmp_path / "icml_face_data.csv", "damaged")
    assert fer2013.files(open_tree(tmp_path)) == ["fer2013.csv"]
    assert len(read(fer2013, tmp_path)[0]) == len(LABELS)


def test_cut_archive_is_refused(tmp_path):
    packed = gzip.compress(table(tmp_path / "plain").read_bytes())
    (tmp_path / "fer2013.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="damaged"):
        read(fer2013, tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        (0, "7", "Unknown emotion id"),
        (0, "-1", "Unknown emotion id"),
        (0, "1" * 5000, "Unknown emotion id"),
        (2, "Test", "Unknown Usage"),
        (1, "1 2 3", "no picture"),
        (1, " ".join(["256"] * 2304), "no picture"),
        (1, " ".join(["-1"] * 2304), "no picture"),
        (1, " ".join(["1.5"] * 2304), "no picture"),
        (1, " ".join(["99999999999999999999999"] * 2304), "no picture"),
        (1, "", "no picture"),
        (1, "0", "no picture"),
        (1, "12", "no picture"),
        (1, "  ".join(["12"] * 2304), "no picture"),
    ],
)
def test_faulty_row_is_named_with_its_line(tmp_path, column, value, problem):
    rows = fer2013_rows(LABELS)
    rows[1][column] = value
    fer2013_csv(tmp_path / "fer2013.csv", rows)
    with pytest.raises(DataError, match=rf"(?s){problem}.*fer2013\.csv, line 3"):
        read(fer2013, tmp_path)


def test_numbers_of_any_length_are_read_exactly(tmp_path):
    values = np.arange(2304) % 256
    fer2013_csv(tmp_path / "fer2013.csv", [["0", " ".join(map(str, values)), "Training"]])
    faces, _ = read(fer2013, tmp_path)
    np.testing.assert_array_equal(decode_rgb(faces[0].image, "")[..., 0].ravel(), values)


def test_a_header_that_does_not_fit_its_rows_is_refused(tmp_path):
    fer2013_csv(tmp_path / "fer2013.csv", fer2013_rows(LABELS), header="emotion, Usage, pixels")
    with pytest.raises(DataError, match=r"(?s)Unknown Usage.*line 2"):
        read(fer2013, tmp_path)
    fer2013_csv(tmp_path / "fer2013.csv", [["0", "1 2 3"]])
    with pytest.raises(DataError, match=r"(?s)number of columns.*line 2"):
        read(fer2013, tmp_path)


def test_table_without_rows_is_refused(tmp_path):
    fer2013_csv(tmp_path / "fer2013.csv", [])
    with pytest.raises(DataError, match=r"(?s)no rows.*fer2013\.csv"):
        read(fer2013, tmp_path)


def test_missing_table_says_what_is_expected(tmp_path):
    with pytest.raises(DataError, match=r"(?s)fer2013\.csv.*fer data add"):
        read(fer2013, tmp_path)


def test_real_training_and_public_test_rows_have_the_official_counts():
    path = os.environ.get("FER_TEST_FER2013", "")
    if not path or not Path(path).exists():
        pytest.skip("set FER_TEST_FER2013 to the folder of the official fer2013.csv")
    announced = fer2013.announce(
        open_tree(Path(path) if Path(path).is_dir() else Path(path).parent), clean_options()
    )
    assert announced["train"] == dict(
        zip(CLASSES, (3995, 436, 4097, 7215, 4830, 3171, 4965), strict=True)
    )
    test = sum(announced["test"].values())
    assert test in (3589, 7178)


def test_quoted_pixels_and_blanks_around_columns_are_read(tmp_path):
    plain, quoted = tmp_path / "plain", tmp_path / "quoted"
    rows = fer2013_rows(LABELS)
    fer2013_csv(plain / "fer2013.csv", rows)
    quoted.mkdir()
    lines = [f'{label},"{pixels} ", {usage} ' for label, pixels, usage in rows]
    (quoted / "fer2013.csv").write_text("\n".join(['"emotion","pixels","Usage"', *lines]) + "\n")
    assert read(fer2013, quoted) == read(fer2013, plain)
