import shutil
from pathlib import Path

import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.catalogue.registry import recognise
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.affectnet_npy import READER as affectnet_npy
from tests.sources.files.test_archives import tarred
from tests.sources.files.test_npy_scalar import npy
from tests.sources.trees import clean_options, encoded, picture, put, read, zipped

TRAIN = {
    "0": "1",
    "100": "0",
    "1001": "2",
    "12": "3",
    "2": "4",
    "240021": "5",
    "3": "6",
    "31": "7",
}  # ID -> expression
VAL = {"0": "1", "1": "5", "4": "1", "999": "7"}


def affectnet_npy_tree(root: Path, train=TRAIN, val=VAL) -> Path:
    """Images with their four annotations, and in each set its own pictures."""
    for folder, expressions in (("train_set", train), ("val_set", val)):
        (root / folder / "annotations").mkdir(parents=True)
        for seed, (name, expression) in enumerate(expressions.items()):
            put(root / folder / f"images/{name}.jpg", seed, height=60, width=80)
            (root / folder / f"annotations/{name}_exp.npy").write_bytes(
                npy("<U1", expression.encode("utf-32-le"))
            )
            for other in ("aro", "val", "lnd"):
                (root / folder / f"annotations/{name}_{other}.npy").write_bytes(b"not read")
    return root


def test_each_image_has_the_expression_of_its_annotation_in_affectnets_order(tmp_path):
    faces, exclusions = read(affectnet_npy, affectnet_npy_tree(tmp_path), "a21")
    assert [(face.sample_id, CLASSES[face.label], face.split, face.usage) for face in faces] == [
        ("a21/train_set/images/0.jpg", "Happy", "train", "train_set"),
        ("a21/train_set/images/100.jpg", "Neutral", "train", "train_set"),
        ("a21/train_set/images/1001.jpg", "Sad", "train", "train_set"),
        ("a21/train_set/images/12.jpg", "Surprise", "train", "train_set"),
        ("a21/train_set/images/2.jpg", "Fear", "train", "train_set"),
        ("a21/train_set/images/240021.jpg", "Disgust", "train", "train_set"),
        ("a21/train_set/images/3.jpg", "Angry", "train", "train_set"),
        ("a21/val_set/images/0.jpg", "Happy", "test", "val_set"),
        ("a21/val_set/images/1.jpg", "Disgust", "test", "val_set"),
        ("a21/val_set/images/4.jpg", "Happy", "test", "val_set"),
    ]
    assert [(item.sample_id, item.reason, item.split, item.word) for item in exclusions] == [
        ("a21/train_set/images/31.jpg", "AffectNet: contempt", "train", "contempt"),
        ("a21/val_set/images/999.jpg", "AffectNet: contempt", "test", "contempt"),
    ]
    assert affectnet_npy.announce(open_tree(tmp_path), clean_options()) == {
        "train": dict.fromkeys([*CLASSES, "contempt"], 1),
        "test": {"Happy": 2, "Disgust": 1, "contempt": 1},
    }


def test_bytes_are_the_original_files_and_each_photo_is_a_group(tmp_path):
    faces, _ = read(affectnet_npy, affectnet_npy_tree(tmp_path))
    assert [face.image for face in faces] == [
        encoded(picture(seed, 60, 80), ".jpg") for seed in (*range(7), *range(3))
    ]
    assert all(
        (face.group, face.box, face.face_id) == (face.sample_id, None, None) for face in faces
    )


def test_numbers_instead_of_text_are_read(tmp_path):
    affectnet_npy_tree(tmp_path)
    (tmp_path / "train_set/annotations/0_exp.npy").write_bytes(npy("<i8", b"\x06" + bytes(7)))
    assert CLASSES[read(affectnet_npy, tmp_path)[0][0].label] == "Angry"


@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.parametrize("top", ["", "own/"])
@pytest.mark.parametrize("part", ["val_set", "val_set/images", "train_set/annotations"])
def test_sets_and_folders_in_archives_are_read_in_place(tmp_path, form, top, part):
    root = affectnet_npy_tree(tmp_path)
    wanted = read(affectnet_npy, root)
    top = top and f"{Path(part).name}/"  # some archives hold the folder that they are named after
    members = {
        f"{top}{path.relative_to(root / part)}": path.read_bytes()
        for path in (root / part).rglob("*.*")
    }
    (zipped if form == "zip" else tarred)(root / f"{part}.{form}", members)
    shutil.rmtree(root / part)
    assert recognise(open_tree(root)) == "affectnet_npy"
    assert read(affectnet_npy, root) == wanted


def test_sets_may_lie_in_folders_of_their_name(tmp_path):
    wanted = read(affectnet_npy, affectnet_npy_tree(tmp_path / "plain"))
    for folder in ("train_set", "val_set"):
        shutil.copytree(tmp_path / "plain" / folder, tmp_path / "nested" / folder / folder)
    assert read(affectnet_npy, tmp_path / "nested") == wanted
    tree = open_tree(tmp_path / "nested")
    assert tree.fingerprint(affectnet_npy.files(tree)).files == 5 * (len(TRAIN) + len(VAL))


def test_one_set_alone_is_read_and_none_is_an_error(tmp_path):
    shutil.rmtree(affectnet_npy_tree(tmp_path) / "train_set")
    assert recognise(open_tree(tmp_path)) == "affectnet_npy"
    assert {face.split for face in read(affectnet_npy, tmp_path)[0]} == {"test"}
    shutil.rmtree(tmp_path / "val_set")
    assert not affectnet_npy.recognise(open_tree(tmp_path))
    with pytest.raises(
        DataError,
        match=r"(?s)release of 2021 are missing.*train_set/ with images/ and annotations/",
    ):
        read(affectnet_npy, tmp_path)


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (
            "train_set/annotations/12_exp.npy",
            r"1 of 8 images have no label file.*train_set/images/12\.jpg.*12_exp\.npy",
        ),
        (
            "val_set/images/4.jpg",
            r"1 of 4 label files have no image.*val_set/annotations/4_exp\.npy",
        ),
    ],
)
def test_image_without_annotation_and_the_reverse_are_errors(tmp_path, lost, words):
    (affectnet_npy_tree(tmp_path) / lost).unlink()
    for read_all in (
        affectnet_npy.announce,
        lambda tree, options: list(affectnet_npy.scan(tree, "a21", options)),
    ):
        with pytest.raises(DataError, match=rf"(?s){words}"):
            read_all(open_tree(tmp_path), clean_options())


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (npy("<U1", b"8\0\0\0"), "Unknown expression id.*'8'.*0 to 7"),
        (npy("<U2", b"0\0\0\x001\0\0\0"), "Unknown expression id.*'01'"),
        (npy("<U0", b""), "Unknown expression id.*''"),
        (npy("|i1", b"\xff"), "Unknown expression id.*'-1'"),
        (npy("|S60", b"x" * 60), f"Unknown expression id.*'{'x' * 40}'"),
        (npy("<f8", bytes(8)), "no numpy file with one text or whole number"),
        (npy("|O", b"\x80\x04K\x07."), "Object arrays cannot be loaded"),
    ],
)
def test_faulty_annotation_is_named(tmp_path, data, problem):
    (affectnet_npy_tree(tmp_path) / "val_set/annotations/4_exp.npy").write_bytes(data)
    for read_all in (
        affectnet_npy.announce,
        lambda tree, options: list(affectnet_npy.scan(tree, "a21", options)),
    ):
        with pytest.raises(DataError, match=rf"(?s){problem}") as caught:
            read_all(open_tree(tmp_path), clean_options())
        assert caught.value.where == tmp_path / "val_set/annotations/4_exp.npy"


def test_set_of_the_official_size_with_other_counts_is_refused(tmp_path):
    def val(counts: list[int]) -> Path:
        ids = [str(identifier) for identifier, count in enumerate(counts) for _ in range(count)]
        root = tmp_path / str(counts[0])
        images = {f"{number}.jpg": b"" for number in range(len(ids))}
        zipped(root / "val_set/images.zip", images)
        zipped(
            root / "val_set/annotations.zip",
            {f"{n}_exp.npy": npy("<U1", i.encode("utf-32-le")) for n, i in enumerate(ids)},
        )
        return root

    right = affectnet_npy.announce(open_tree(val([500] * 8)), clean_options())
    assert right == {"test": dict.fromkeys([*CLASSES, "contempt"], 500)}
    with pytest.raises(DataError, match=r"(?s)label order.*Happy 499.*Neutral 501"):
        affectnet_npy.announce(open_tree(val([501, 499, *[500] * 6])), clean_options())
