import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.rafml import READER as rafml
from tests.sources.trees import clean_options, encoded, picture, put, read, zipped

# file name, then Surprise Fear Disgust Happiness Sadness Anger
SHARES = [
    "0001.jpg 0.600000 0.300000 0.000000 0.000000 0.100000 0.000000",
    "0002.jpg 0.1 0.5 0 0 0.4 0",
    "0003.jpg 0 0.05 0.55 0 0.1 0.3",
    "0004.jpg 0.4 0 0 0.6 0 0",
    "0005.jpg 0 0.1 0.2 0 0.7 0",
    "0006.jpg 0 0 0.33 0 0.16 0.5",
    "0007.jpg 0.1 0.3 0 0.3 0 0.3",
]
PARTITION = [
    "0001.jpg 0",
    "0002.jpg 0",
    "0003.jpg 0",
    "0004.jpg 0",
    "0006.jpg 1",
    "0005.jpg 1",
    "0007.jpg 0",
]


def tree(
    root: Path,
    shares: list[str] = SHARES,
    partition: list[str] = PARTITION,
    folder="aligned",
    suffix="_aligned",
) -> Path:
    """Both lists and one picture for each line of the shares."""
    (root / "EmoLabel").mkdir(parents=True)
    (root / "EmoLabel/distribution.txt").write_text("\n".join(shares) + "\n")
    (root / "EmoLabel/partition_label.txt").write_text("\n".join(partition) + "\n")
    for seed, line in enumerate(shares):
        put(root / "Image" / folder / f"{line.split('.')[0]}{suffix}.jpg", seed)
    return root


def test_largest_share_becomes_the_label_and_flag_1_the_test_split(tmp_path):
    faces, exclusions = read(rafml, tree(tmp_path), "rafml")
    assert exclusions == []
    assert [(face.sample_id, CLASSES[face.label], face.split, face.usage) for face in faces] == [
        ("rafml/0001.jpg", "Surprise", "train", "0"),
        ("rafml/0002.jpg", "Fear", "train", "0"),
        ("rafml/0003.jpg", "Disgust", "train", "0"),
        ("rafml/0004.jpg", "Happy", "train", "0"),
        ("rafml/0005.jpg", "Sad", "test", "1"),
        ("rafml/0006.jpg", "Angry", "test", "1"),
        ("rafml/0007.jpg", "Fear", "train", "0"),  # the first of three that are equal
    ]
    assert [face.image for face in faces] == [encoded(picture(seed), ".jpg") for seed in range(7)]
    assert rafml.announce(open_tree(tmp_path), clean_options()) == {
        "train": {"Surprise": 1, "Fear": 2, "Disgust": 1, "Happy": 1},
        "test": {"Sad": 1, "Angry": 1},
    }


def test_votes_are_the_shares_in_canonical_order(tmp_path):
    faces, _ = read(rafml, tree(tmp_path))
    # Angry, Disgust, Fear, Happy, Sad, Surprise, Neutral
    assert faces[0].votes == (0, 0, 0.3, 0, 0.1, 0.6, 0)
    assert faces[2].votes == (0.3, 0.55, 0.05, 0, 0.1, 0, 0)
    assert faces[5].votes == (0.5, 0.33, 0, 0, 0.16, 0, 0)  # as listed, not normalised


@given(st.lists(st.integers(0, 40), min_size=6, max_size=6).filter(any))
def test_label_is_the_first_maximum_and_votes_lose_nothing(tmp_path_factory, counts):
    shares = np.array(counts) / sum(counts)
    root = tree(
        tmp_path_factory.mktemp("rafml"),
        [f"a.jpg {' '.join(f'{share:.6f}' for share in shares)}"],
        ["a.jpg 1"],
    )
    (face,), _ = read(rafml, root)
    names = ["Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry"]
    assert CLASSES[face.label] == names[int(np.argmax(np.round(shares, 6)))]
    assert (
        face.votes is not None
        and len(face.votes) == 7
        and face.votes[CLASSES.index("Neutral")] == 0
    )
    np.testing.assert_allclose(
        [face.votes[CLASSES.index(name)] for name in names], shares, atol=1e-6
    )


@pytest.mark.parametrize("top", ["", "RAF-ML"])
@pytest.mark.parametrize(
    ("folder", "suffix", "note"),
    [
        ("aligned", "_aligned", ""),
        ("aligned/aligned", "_aligned", ""),
        ("aligned/aligned", "", ""),
        ("aligned", "", ""),
        ("original/original", "", "original picture instead of the aligned face"),
        ("original", "", "original picture instead of the aligned face"),
    ],
)
def test_lists_and_pictures_are_found_in_every_known_place(tmp_path, top, folder, suffix, note):
    tree(tmp_path / top, folder=folder, suffix=suffix)
    assert rafml.recognise(open_tree(tmp_path))
    faces, _ = read(rafml, tmp_path)
    assert len(faces) == 7 and {face.note for face in faces} == {note}


def test_pictures_are_read_from_their_archive_in_place(tmp_path):
    wanted = read(rafml, tree(tmp_path))
    inner = {
        f"aligned/{path.name}": path.read_bytes() for path in (tmp_path / "Image/aligned").iterdir()
    }
    shutil.rmtree(tmp_path / "Image/aligned")
    zipped(tmp_path / "Image/aligned.zip", inner)
    assert read(rafml, tmp_path) == wanted
    parts = rafml.files(open_tree(tmp_path))
    assert parts == ["EmoLabel/partition_label.txt", "EmoLabel/distribution.txt", "Image"]


def test_any_one_flag_beside_1_means_train_but_a_third_is_refused(tmp_path):
    listed = [line.replace(" 0", " 2") for line in PARTITION]
    faces, _ = read(rafml, tree(tmp_path / "two", partition=listed))
    assert [face.split for face in faces].count("test") == 2
    with pytest.raises(
        DataError, match=r"(?s)Unknown partition '0'.*partition_label\.txt, line 7.*1 and 2"
    ):
        read(rafml, tree(tmp_path / "three", partition=[*listed[:-1], "0007.jpg 0"]))


@pytest.mark.parametrize(
    ("shares", "partition", "where"),
    [
        (SHARES, PARTITION[:-1], r"distribution\.txt, line 7"),
        (SHARES[1:], PARTITION, r"partition_label\.txt, line 1"),
    ],
)
def test_file_in_one_list_only_is_named_with_its_line(tmp_path, shares, partition, where):
    with pytest.raises(DataError, match=rf"(?s)A file is not in.*{where}"):
        read(rafml, tree(tmp_path, shares, partition))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0009.jpg 0.5 0.5 0 0 0", "number of columns"),
        ("0009.jpg 0.5 0.5 0 0 0 0 0", "number of columns"),
        ("0009.jpg 0.5 0.5 0 0 0 none", "not a number"),
        ("0009.jpg 0.5 0.5 0 0 0 nan", "out of range"),
        ("0009.jpg inf 0 0 0 0 0", "out of range"),
        ("0009.jpg 0.6 0.5 -0.1 0 0 0", "out of range"),
        ("0009.jpg 0 0 0 0 0 0", "add up to 0"),
        ("0009.jpg 0.5 0.5 0.03 0 0 0", "add up to 1.03"),
        ("0009.jpg 30 10 0 0 0 0", "add up to 40"),
        ("0009.jpg 1e308 1e308 1e308 0 0 0", "add up to inf"),
        ("0001.jpg 0.5 0.5 0 0 0 0", "listed twice, first in line 1"),
        ("/0009.jpg 0.5 0.5 0 0 0 0", "outside its data set"),
        ("../0009.jpg 0.5 0.5 0 0 0 0", "outside its data set"),
    ],
)
def test_faulty_shares_are_named(tmp_path, line, problem):
    root = tree(tmp_path, SHARES[:1], ["0001.jpg 0", "0009.jpg 0"])
    (root / "EmoLabel/distribution.txt").write_text(f"{SHARES[0]}\n{line}\n")
    with pytest.raises(DataError, match=rf"(?s){problem}.*distribution\.txt, line 2"):
        read(rafml, root)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0002.jpg", "number of columns"),
        ("0002.jpg 1 1", "number of columns"),
        ("0002.jpg test", "Unknown partition 'test'"),
        ("0002.jpg -1", "Unknown partition '-1'"),
        ("0001.jpg 1", "listed twice, first in line 1"),
        ("../0002.jpg 1", "outside its data set"),
    ],
)
def test_faulty_partition_is_named(tmp_path, line, problem):
    with pytest.raises(DataError, match=rf"(?s){problem}.*partition_label\.txt, line 2"):
        read(rafml, tree(tmp_path, SHARES[:2], ["0001.jpg 0", line]))


def test_shares_that_were_rounded_pass(tmp_path):
    faces, _ = read(
        rafml,
        tree(
            tmp_path,
            ["0001.jpg 0.33 0.33 0.33 0 0 0", "0002.jpg 0.34 0.34 0.34 0 0 0"],
            PARTITION[:2],
        ),
    )
    assert len(faces) == 2


def test_missing_partition_and_missing_image_are_errors(tmp_path):
    root = tree(tmp_path)
    (root / "Image/aligned/0004_aligned.jpg").unlink()
    with pytest.raises(
        DataError,
        match=r"(?s)1 of 7 listed images are missing.*distribution\.txt, line 4.*0004\.jpg",
    ):
        read(rafml, root)
    (root / "EmoLabel/partition_label.txt").unlink()
    with pytest.raises(
        DataError, match=r"(?s)RAF-ML partition list is missing.*EmoLabel/partition_label\.txt"
    ):
        read(rafml, root)
