import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.catalogue.registry import recognise
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.rafdb_basic import READER as rafdb_basic
from tests.sources.trees import clean_options, encoded, picture, put, rafdb, read

# what Kaggle's copy holds: faces by split and id, 1 Surprise 2 Fear 3 Disgust 4 Happy 5 Sad 6 Angry
# 7 Neutral
FACES = {f"train_0000{number}": number for number in range(1, 8)} | {
    f"test_000{number}": number for number in range(1, 8)
}


def copy(root, top="DATASET/", faces=FACES):
    for split in ("train", "test"):
        mine = {name: number for name, number in faces.items() if name.startswith(split)}
        lines = [f"{name}_aligned.jpg,{number}" for name, number in mine.items()]
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{split}_labels.csv").write_text("\n".join(["image,label", *lines]) + "\n")
        for name, number in mine.items():
            put(root / f"{top}{split}/{number}/{name}_aligned.jpg", number)
    return root


@pytest.mark.parametrize("top", ["DATASET/", ""])
def test_kaggles_copy_gives_the_faces_of_the_official_list(tmp_path, top):
    root = copy(tmp_path / "kaggle", top)
    assert recognise(open_tree(root)) == "rafdb_basic"
    faces, exclusions = read(rafdb_basic, root, "rafdb_basic")
    assert exclusions == []
    classes = ["Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry", "Neutral"]
    assert [(face.sample_id, CLASSES[face.label], face.split, face.note) for face in faces] == [
        (f"rafdb_basic/{name}.jpg", classes[number - 1], name.split("_")[0], "")
        for name, number in FACES.items()
    ]
    assert faces[3].image == encoded(picture(4), ".jpg")
    assert rafdb_basic.announce(open_tree(root), clean_options()) == {
        split: dict.fromkeys(classes, 1) for split in ("train", "test")
    }
    official, _ = read(
        rafdb_basic,
        rafdb(tmp_path / "official", [f"{name}.jpg {number}" for name, number in FACES.items()]),
        "rafdb_basic",
    )
    assert [(face.sample_id, face.label, face.group) for face in official] == [
        (face.sample_id, face.label, face.group) for face in faces
    ]


def test_a_list_that_numbers_classes_in_another_order_than_the_folders_is_refused(tmp_path):
    root = copy(tmp_path)
    table = root / "train_labels.csv"
    table.write_text(table.read_text().replace("00003_aligned.jpg,3", "00003_aligned.jpg,1"))
    with pytest.raises(
        DataError, match=r"(?s)not in the folder of its id.*train_labels\.csv, line 4"
    ):
        read(rafdb_basic, root)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("image,label", "label,image", "another header"),
        ("train_00002_aligned.jpg,2", "train_00002_aligned.jpg", "wrong number of columns.*line 3"),
        (
            "train_00002_aligned.jpg,2",
            "train_00002_aligned.jpg,8",
            "Unknown emotion id '8'.*line 3",
        ),
        ("train_00002_aligned.jpg,2", "test_0002_aligned.jpg,2", "does not say this split.*line 3"),
        (
            "train_00002_aligned.jpg,2",
            "../train_00002_aligned.jpg,2",
            "outside its data set.*line 3",
        ),
        ("train_00002_aligned.jpg,2", "train_00001_aligned.jpg,1", "listed twice.*line 3"),
        (
            "train_00002_aligned.jpg,2\n",
            "",
            r"1 files are in no list.*train/2/train_00002_aligned\.jpg",
        ),
    ],
)
def test_a_faulty_list_is_named_with_its_line(tmp_path, old, new, problem):
    root = copy(tmp_path)
    table = root / "train_labels.csv"
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=f"(?s){problem}"):
        read(rafdb_basic, root)


def test_a_full_copy_in_another_order_is_refused_by_the_official_counts(tmp_path):
    counts = {
        1: 74,
        2: 329,
        3: 160,
        4: 1185,
        5: 478,
        6: 162,
        7: 680,
    }  # test, Surprise and Fear changed over
    numbers = [number for number, count in counts.items() for _ in range(count)]
    faces = {"train_00001": 1} | {
        f"test_{index:04}": number for index, number in enumerate(numbers)
    }
    data = encoded(picture(0), ".jpg")
    root = copy(tmp_path, faces={"train_00001": 1})
    for name, number in faces.items():
        place = root / f"DATASET/{name.split('_')[0]}/{number}/{name}_aligned.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    lines = [
        f"{name}_aligned.jpg,{number}" for name, number in faces.items() if name.startswith("test")
    ]
    (root / "test_labels.csv").write_text("\n".join(["image,label", *lines]) + "\n")
    with pytest.raises(DataError, match=r"label order.*RAF-DB basic test.*permutation"):
        rafdb_basic.announce(open_tree(root), clean_options())
