import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.catalogue.registry import recognise
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.folder7 import READER as folder7
from tests.sources.trees import clean_options, encoded, picture, put, read, zipped


def test_split_and_class_folders_with_aliases_become_faces(tmp_path):
    put(tmp_path / "train/happiness/b.png", seed=1)
    put(tmp_path / "train/angry/deep/a.jpg")
    put(tmp_path / "validation/SAD/c.png")
    put(tmp_path / "test/suprise/d.bmp")
    faces, exclusions = read(folder7, tmp_path, "custom")
    assert exclusions == []
    assert [(face.sample_id, CLASSES[face.label], face.split, face.usage) for face in faces] == [
        ("custom/test/suprise/d.bmp", "Surprise", "test", "test"),
        ("custom/train/angry/deep/a.jpg", "Angry", "train", "train"),
        ("custom/train/happiness/b.png", "Happy", "train", "train"),
        ("custom/validation/SAD/c.png", "Sad", "val", "validation"),
    ]
    assert faces[2].image == encoded(picture(1))


def test_flat_class_folders_are_all_train(tmp_path):
    put(tmp_path / "fear/a.png")
    put(tmp_path / "neutral/b.png")
    faces, _ = read(folder7, tmp_path)
    assert [(CLASSES[face.label], face.split) for face in faces] == [
        ("Fear", "train"),
        ("Neutral", "train"),
    ]


def test_several_collections_side_by_side_keep_their_own_form(tmp_path):
    put(tmp_path / "mine/happy/a.png")
    put(tmp_path / "theirs/test/happy/a.png")
    faces, _ = read(folder7, tmp_path, "custom")
    assert [(face.sample_id, face.split) for face in faces] == [
        ("custom/mine/happy/a.png", "train"),
        ("custom/theirs/test/happy/a.png", "test"),
    ]


def test_unknown_folders_and_other_files_are_excluded_and_counted(tmp_path):
    put(tmp_path / "train/happy/a.png")
    put(tmp_path / "train/Contempt/b.png")
    put(tmp_path / "extra/happy/c.png")
    (tmp_path / "train/happy/notes.txt").write_text("x")
    (tmp_path / "train/happy/Thumbs.db").write_text("x")
    (tmp_path / ".hidden").mkdir()
    put(tmp_path / ".hidden/d.png")
    faces, exclusions = read(folder7, tmp_path)
    assert len(faces) == 1
    assert [(item.reason, item.detail) for item in exclusions] == [
        ("folder name is no split", "extra/happy/c.png"),
        ("folder name is none of the seven classes", "train/Contempt/b.png"),
        ("not an image file", "train/happy/notes.txt"),
    ]
    announced = folder7.announce(open_tree(tmp_path), clean_options())
    assert announced == {
        "none": {"extra": 1},
        "train": {"Happy": 1, "contempt": 1, "(other file)": 1},
    }


def test_folder_without_class_folders_is_refused(tmp_path):
    put(tmp_path / "holiday/a.png")
    assert not folder7.recognise(open_tree(tmp_path))
    with pytest.raises(DataError, match="holiday"):
        read(folder7, tmp_path)


# class folders of Kaggle's FER2013 (msambare), with a file of each split and its class
KAGGLE = {
    "test/angry/PrivateTest_10131363.jpg": "Angry",
    "test/disgust/PrivateTest_11895083.jpg": "Disgust",
    "test/fear/PublicTest_10008845.jpg": "Fear",
    "test/happy/PublicTest_99999.jpg": "Happy",
    "test/neutral/PrivateTest_10086748.jpg": "Neutral",
    "test/sad/PublicTest_1005930.jpg": "Sad",
    "test/surprise/PublicTest_10072988.jpg": "Surprise",
    "train/angry/Training_10118481.jpg": "Angry",
    "train/disgust/Training_10371709.jpg": "Disgust",
    "train/fear/Training_10018621.jpg": "Fear",
    "train/happy/Training_10019449.jpg": "Happy",
    "train/neutral/Training_10002154.jpg": "Neutral",
    "train/sad/Training_10022789.jpg": "Sad",
    "train/surprise/Training_10013223.jpg": "Surprise",
}


def faces_of(root, above=""):
    """Class of each face by its path, `above` cut off; splits checked on the way."""
    assert recognise(open_tree(root)) == "folder7"
    faces, exclusions = read(folder7, root, "set")
    assert exclusions == []
    found = {face.sample_id.removeprefix(f"set/{above}"): CLASSES[face.label] for face in faces}
    for face, path in zip(faces, found, strict=True):
        assert (face.split, face.usage, face.group) == (
            path.split("/")[0],
            path.split("/")[0],
            face.sample_id,
        )
        assert face.image == encoded(picture(0, 48, 48, 1), ".jpg")
    return found


def test_kaggle_folders_of_fer2013(tmp_path):
    for path in KAGGLE:
        put(tmp_path / path, height=48, width=48, channels=1)
    assert faces_of(tmp_path) == KAGGLE


def test_kaggle_folders_of_fer2013_in_the_archives_they_come_in(tmp_path):
    grey = encoded(picture(0, 48, 48, 1), ".jpg")
    whole = zipped(tmp_path / "whole/archive.zip", dict.fromkeys(KAGGLE, grey))
    assert faces_of(whole) == KAGGLE
    assert faces_of(whole.parent, "archive/") == KAGGLE
    for split in ("train", "test"):
        inner = {path.removeprefix(f"{split}/"): grey for path in KAGGLE if path.startswith(split)}
        zipped(tmp_path / f"halves/{split}.zip", inner)
        zipped(tmp_path / f"nested/{split}.zip", {f"{split}/{path}": grey for path in inner})
    assert faces_of(tmp_path / "halves") == KAGGLE
    assert faces_of(tmp_path / "nested") == {
        path.replace("/", f"/{path.split('/')[0]}/", 1): name for path, name in KAGGLE.items()
    }


def test_uniform_edition_of_fer2013_has_val_and_may_lie_below_one_folder(tmp_path):
    top = "FER2013_7emotions_Uniform_Augmented_Dataset/"
    wanted = {
        f"{split}/{name.lower()}/aug_{n}.jpg": name
        for split in ("test", "train", "val")
        for n, name in enumerate(sorted(CLASSES))
    }
    for path in wanted:
        put(tmp_path / "below" / top / path, height=48, width=48, channels=1)
    assert faces_of(tmp_path / "below" / top) == wanted
    assert faces_of(tmp_path / "below", top) == wanted


def test_ferplus_folders_drop_contempt(tmp_path):
    names = ("angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "suprise")
    for split in ("train", "validation", "test"):
        for n, name in enumerate(names):
            put(tmp_path / split / name / f"fer{n:07d}.png", height=48, width=48, channels=1)
    tree = open_tree(tmp_path)
    assert recognise(tree) == "folder7"
    faces, exclusions = read(folder7, tmp_path)
    seven = ["Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"]
    assert [(face.split, CLASSES[face.label]) for face in faces] == [
        (split, name) for split in ("test", "train", "val") for name in seven
    ]
    assert [(item.split, item.word, item.reason) for item in exclusions] == [
        (split, "contempt", "folder name is none of the seven classes")
        for split in ("test", "train", "val")
    ]
    assert folder7.announce(tree, clean_options()) == {
        split: dict.fromkeys([*seven, "contempt"], 1) for split in ("train", "val", "test")
    }


# class folders of AffectNet's balanced folder edition, which has train and test
AFFECTNET = ["anger", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


@pytest.mark.parametrize("above", ["", "affectnet_full_balanced/"])
def test_balanced_folders_of_affectnet_drop_contempt(tmp_path, above):
    for split, copies in (("train", 2), ("test", 1)):
        for n, name in enumerate(AFFECTNET):
            for copy in range(copies):
                put(
                    tmp_path / f"{above}{split}/{name}/image{n:04}{copy:03}.jpg",
                    n,
                    height=96,
                    width=96,
                )
    tree = open_tree(tmp_path)
    assert recognise(tree) == "folder7"
    faces, exclusions = read(folder7, tmp_path, "affectnet_full_balanced")
    seven = ["Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"]
    assert [(face.split, CLASSES[face.label]) for face in faces] == [
        *[("test", name) for name in seven],
        *[("train", name) for name in seven for _ in range(2)],
    ]
    assert faces[0].sample_id == f"affectnet_full_balanced/{above}test/anger/image0000000.jpg"
    assert faces[0].image == encoded(picture(0, 96, 96), ".jpg")
    assert [(item.split, item.word) for item in exclusions] == [
        ("test", "contempt"),
        ("train", "contempt"),
        ("train", "contempt"),
    ]
    assert folder7.announce(tree, clean_options()) == {
        "train": dict.fromkeys([*seven, "contempt"], 2),
        "test": dict.fromkeys([*seven, "contempt"], 1),
    }


@pytest.mark.parametrize("above", ["", "AffectNet/"])
def test_class_folders_that_bear_numbers_are_refused(tmp_path, above):
    for number in range(8):
        put(tmp_path / f"{above}train/{number}/a.jpg")
    for read_all in (
        folder7.announce,
        lambda tree, options: list(folder7.scan(tree, "set", options)),
    ):
        with pytest.raises(
            DataError,
            match=rf"(?s)class folder is a number.*{above}train/0\n.*found: 0\n.*Angry.*rename "
            r"the folders",
        ):
            read_all(open_tree(tmp_path), clean_options())


def test_flat_folders_that_bear_numbers_are_no_class_folders(tmp_path):
    for number in range(8):
        put(tmp_path / f"{number}/a.jpg")
    assert not folder7.recognise(open_tree(tmp_path))
    with pytest.raises(
        DataError,
        match=r"(?s)No class folders here.*found: 0, 1, 2.*name the folders after the classes",
    ):
        read(folder7, tmp_path)


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("training_set", "validation_set", "test_set"), ("train", "val", "test")),
        (("FER2013Train", "FER2013Valid", "FER2013Test"), ("train", "val", "test")),
        (("Training", "PublicTest", "PrivateTest"), ("train", "test", "test")),
        (("train_set", "dev", "eval"), ("train", "val", "test")),
    ],
)
def test_split_folders_of_other_names_keep_their_splits(tmp_path, names, splits):
    for name in names:
        put(tmp_path / name / "happy/a.png")
    faces, exclusions = read(folder7, tmp_path)
    assert exclusions == []
    assert {face.usage: face.split for face in faces} == dict(zip(names, splits, strict=True))


@pytest.mark.parametrize(
    "path", ["test_old/happy/a.png", "train/happy/a.png", "mine/test2/happy/a.png"]
)
def test_a_folder_that_speaks_of_a_split_which_is_not_clear_is_refused(tmp_path, path):
    put(tmp_path / "more/happy/b.png")
    put(tmp_path / path)
    put(tmp_path / path.replace("train", "validation2").replace("mine/test2", "mine"))
    for read_all in (
        folder7.announce,
        lambda tree, options: list(folder7.scan(tree, "set", options)),
    ):
        with pytest.raises(
            DataError, match=r"(?s)speaks of a split.*(test_old|validation2|test2).*rename"
        ):
            read_all(open_tree(tmp_path), clean_options())


def test_split_folders_inside_class_folders_are_refused_and_not_trained_on(tmp_path):
    put(tmp_path / "happy/train/a.png")
    put(tmp_path / "happy/test/b.png")
    with pytest.raises(DataError, match=r"(?s)split lies inside.*happy/test"):
        read(folder7, tmp_path)


def test_a_class_folder_inside_that_of_another_class_is_refused(tmp_path):
    put(tmp_path / "train/happy/1.png")
    put(tmp_path / "train/happy/Happiness/more/1.png")
    assert len(read(folder7, tmp_path)[0]) == 2
    put(tmp_path / "train/happy/sad/2.png")
    with pytest.raises(DataError, match=r"(?s)inside the folder of another.*happy/sad.*sad in"):
        read(folder7, tmp_path)


def test_caches_descriptions_and_formats_that_cannot_be_decoded_are_no_faces(tmp_path):
    put(tmp_path / "happy/a.png")
    for name in ("happy/a.npy", "happy/meta.json", "happy/b.HEIC", "happy/@eaDir/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    faces, exclusions = read(folder7, tmp_path)
    assert len(faces) == 1
    assert {item.detail: item.reason.split(":")[0] for item in exclusions} == {
        "happy/a.npy": "not an image file",
        "happy/b.HEIC": "picture in a format that cannot be decoded here",
        "happy/meta.json": "not an image file",
    }


def test_pictures_with_other_endings_are_pictures(tmp_path):
    for suffix in (".jfif", ".jpe", ".tif", ".TIFF", ".gif"):
        (tmp_path / "happy").mkdir(exist_ok=True)
        (tmp_path / f"happy/a{suffix}").write_bytes(
            encoded(
                picture(0), {".tif": ".tiff", ".TIFF": ".tiff", ".gif": ".gif"}.get(suffix, ".jpg")
            )
        )
    faces, exclusions = read(folder7, tmp_path)
    assert len(faces) == 5 and not exclusions
