import pytest

from fer_core.sources.files.names import looks_like_split, split_of

ALIASES = {
    "train": [
        "train",
        "Training",
        "TRAIN",
        "training_set",
        "train_set",
        "FER2013Train",
        "trainset",
        "train-images",
    ],
    "val": ["val", "valid", "validation", "Validation_Set", "FER2013Valid", "dev", "val_set"],
    "test": [
        "test",
        "testing",
        "test_set",
        "FER2013Test",
        "PublicTest",
        "PrivateTest",
        "eval",
        "test_data",
    ],
}


@pytest.mark.parametrize(
    ("split", "name"), [(split, name) for split, names in ALIASES.items() for name in names]
)
def test_usual_names_of_split_folders_are_known(split, name):
    assert split_of(name) == split


@pytest.mark.parametrize(
    "name",
    [
        "test_old",
        "test2",
        "validation-2",
        "mytests",
        "TrainVal",
        "train_val_test",
        "eval_hard",
        "myTest",
    ],
)
def test_a_name_that_speaks_of_a_split_without_saying_which_is_seen(name):
    assert split_of(name) is None
    assert looks_like_split(name)


@pytest.mark.parametrize(
    "name",
    [
        "happy",
        "data",
        "faces",
        "latest",
        "contest",
        "carnival",
        "device",
        "interval",
        "contempt",
        "2013",
        "",
    ],
)
def test_other_names_speak_of_no_split(name):
    assert split_of(name) is None
    assert not looks_like_split(name)
