"""What every reader inherits, shown with a tiny one."""

from dataclasses import replace

import pytest

from fer_core.base.errors import DataError
from fer_core.sources.catalogue.faces import UNDECODABLE, Exclusion, Face
from fer_core.sources.files.label_files import Line
from fer_core.sources.files.tree import open_tree
from fer_core.sources.images import photos
from fer_core.sources.reading.photos import BoxedEntry, PhotoReader, find_photos
from fer_core.sources.reading.reader import OTHER_FILE, Entry, Reader, settle_missing
from tests.sources.trees import clean_options, put

FACE = Entry(key="a.png", path="a.png", split="train", label=3, usage="Training", group="someone")
LEFT_OUT = Entry(key="b.png", path="a.png", split="train", word="contempt", reason="contempt")
OTHER = Entry(key="c.txt", path="c.txt", split="none", word=OTHER_FILE, reason="no image")


class Tiny(Reader):
    layout = "tiny"

    def __init__(self, *entries):
        self.listed = entries

    def recognise(self, tree):
        return True

    def files(self, tree):
        return [""]

    def entries(self, tree, options):
        return self.listed


class TinyPhotos(PhotoReader, Tiny):
    name = "Tiny"

    def cropping(self, options):
        return options.expw.pad_ratio, options.crops


def scanned(reader, tree):
    return list(reader.scan(tree, "set", clean_options()))


def test_entries_are_counted_and_become_faces_or_exclusions(tmp_path):
    data = put(tmp_path / "a.png").read_bytes()
    reader, tree = Tiny(FACE, LEFT_OUT, OTHER), open_tree(tmp_path)
    assert reader.announce(tree, clean_options()) == {
        "train": {"Happy": 1, "contempt": 1},
        "none": {OTHER_FILE: 1},
    }
    face, left_out, other = scanned(reader, tree)
    assert face == Face("set/a.png", data, 3, "train", "Training", "set/someone")
    assert left_out == Exclusion("set/b.png", "contempt", "b.png", "train", "contempt")
    assert left_out.show() == data and other.show is None


def test_a_photo_is_decoded_once_and_not_at_all_for_what_is_left_out(tmp_path, monkeypatch):
    put(tmp_path / "a.png", height=20, width=30)
    face = BoxedEntry(
        key="a.png#0", path="a.png", split="train", label=0, photo="a.png", box=(1, 2, 9, 12)
    )
    empty = replace(face, key="a.png#1", box=(5, 5, 5, 9))
    unwanted = replace(face, key="gone.png", path="gone.png", photo="gone.png", reason="contempt")
    opened = []
    decode = photos.decode_photo
    monkeypatch.setattr(
        "fer_core.sources.reading.photos.decode_photo",
        lambda *values: opened.append(values[1].name) or decode(*values),
    )
    found = scanned(TinyPhotos(face, empty, unwanted), open_tree(tmp_path))
    assert [getattr(item, "reason", "face") for item in found] == [
        "face",
        "Tiny: box without area inside the photo",
        "contempt",
    ]
    assert opened == ["a.png"]
    (tmp_path / "a.png").write_bytes(b"<html>")
    assert [item.reason for item in scanned(TinyPhotos(face, unwanted), open_tree(tmp_path))] == [
        UNDECODABLE,
        "contempt",
    ]


def photos_listed(file, *names):
    return [
        BoxedEntry(
            key=f"{name}#{number}",
            split="train",
            label=0,
            photo=name,
            line=Line(file, number, name),
        )
        for number, name in enumerate(names, 1)
    ]


def test_missing_photos_are_named_by_the_line_of_the_first(tmp_path):
    put(tmp_path / "images/a.png")
    entries = photos_listed(tmp_path / "list.txt", "a.png", "b.png", "b.png", "c.png")
    tree = open_tree(tmp_path)
    found = find_photos(tree, ("other", "images"), [], entries)
    assert [entry.path for entry in found] == ["images/a.png", "", "", ""]
    words = {"what": "photos", "expected": "{} there", "remedy": "unpack"}
    with pytest.raises(
        DataError, match=r"(?s)2 of 3 listed photos.*list\.txt, line 2.*b\.png.*b there"
    ):
        settle_missing(tree, found, clean_options(), **words)
    assert settle_missing(tree, found[:1], clean_options(), **words) == found[:1]
    settled = settle_missing(tree, found, clean_options(allow_undecodable=3), **words)
    assert [entry.reason for entry in settled] == ["", *[UNDECODABLE] * 3]
    with pytest.raises(DataError, match="2 of 2"):
        settle_missing(tree, found[1:], clean_options(allow_undecodable=9), **words)


def test_photos_in_several_folders_are_found_by_name_and_never_guessed(tmp_path):
    for path in ("one/a.png", "two/sub/b.png", "two/c.png", "one/c.png"):
        put(tmp_path / path)
    tree = open_tree(tmp_path)
    entries = photos_listed(tmp_path / "list.txt", "a.png", "sub/b.png")
    found = find_photos(tree, ("image",), ["one", "two"], entries)
    assert [entry.path for entry in found] == ["one/a.png", "two/sub/b.png"]
    with pytest.raises(DataError, match=r"(?s)several folders.*one/c\.png, two/c\.png"):
        find_photos(tree, (), ["one", "two"], photos_listed(tmp_path / "l", "c.png"))
