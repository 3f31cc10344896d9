"""What every reader inherits, shown with a tiny one."""

from dataclasses import replace

import pytest

from fer_core.base.errors import DataError
from fer_core.sources.catalogue.faces import UNDECODABLE, Exclusion, Face
from fer_core.sources.files.label_files import Line
from fer_core.sources.files.tree import open_tree
from fer_core.sources.images import photos
from fer_core.sources.reading.photos import BoxedEntry, PhotoReader, photo_folder
from fer_core.sources.reading.reader import OTHER_FILE, Entry, Reader
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


def test_missing_photos_are_named_by_the_line_of_the_first(tmp_path):
    put(tmp_path / "images/a.png")
    file = tmp_path / "list.txt"
    entries = [
        BoxedEntry(key=name, split="train", label=0, photo=name, line=Line(file, number, name))
        for number, name in enumerate(("a.png", "b.png", "b.png", "c.png"), 1)
    ]
    tree = open_tree(tmp_path)
    assert photo_folder(tree, ("other", "images"), entries[:1], "unpack") == "images"
    with pytest.raises(DataError, match=r"(?s)2 of 3 listed photos.*list\.txt, line 2.*b\.png"):
        photo_folder(tree, ("images",), entries, "unpack")
