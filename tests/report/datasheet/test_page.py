"""The stage `datasheet`: the page is self-contained and escaped, and its numbers are those of the
manifest and the stores.
"""

import re
from pathlib import Path

import pytest

from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.dataset.assembly.leakage import REASONS
from fer_core.dataset.manifest.table import write_manifest
from fer_core.report.datasheet.page import REASON_WORDS
from stages import datasheet
from tests.dataset.tiny_stores import store
from tests.report.reading import Page, words
from tests.report.tiny_datasheet import ODD, SCRIPT, manifest, write_stores

PAGE = Path("data/datasheet/index.html")
JSON = Path("data/datasheet/datasheet.json")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    write_stores(tmp_path / "data" / "clean")
    write_manifest(Path("data/manifest.parquet"), manifest())
    Path("params.yaml").write_text("seed: 1337\nmanifest: {sources: [a, b]}\n")
    write_json(Path("data/sources/a.json"), {"layout": "ferplus", "licence": "MIT & more"})
    write_json(Path("data/sources/b.json"), {"layout": "folder7"})
    return tmp_path


def read() -> Page:
    datasheet.main()
    return Page(PAGE)


def cells(page: Page, start: str) -> list[list[str]]:
    return [list(row.values()) for row in page.table(start)]


def test_collection_labelling_and_licence_of_each_data_set_are_told(project: Path) -> None:
    first, second = cells(read(), "Collection, labelling and licence")
    assert first[0] == "a" and "FER2013" in first[1] and "votes" in first[2]
    assert first[3] == "MIT & more" and "Barsoum" in first[4]
    assert second[1].startswith("not known here") and second[3] == "not stated"
    write_json(Path("data/sources/b.json"), {"layout": "expw", "sample": {}})
    assert "drawn" in cells(read(), "Collection, labelling and licence")[1][1]


def test_the_tables_say_what_is_in_the_manifest_and_the_stores(project: Path) -> None:
    page = read()
    assert cells(page, "All data sets") == [
        ["train", "1", "0", "0", "0", "0", "0", "0", "1"],
        ["val", "0", "0", "0", "1", "0", "0", "0", "1"],
        ["calib", "0", "0", "1", "0", "0", "0", "0", "1"],
        ["test", "0", "0", "0", "2", "1", "0", "0", "3"],
    ]
    assert cells(page, "Each data set and split") == [
        ["a train", "1", "0", "0", "0", "0", "0", "0", "1"],
        ["a val", "0", "0", "0", "1", "0", "0", "0", "1"],
        ["a test", "0", "0", "0", "1", "1", "0", "0", "2"],
        ["b calib", "0", "0", "1", "0", "0", "0", "0", "1"],
        ["b test", "0", "0", "0", "1", "0", "0", "0", "1"],
    ]
    head = list(page.table("Dropped faces")[0])
    assert head == [
        "data set",
        "unlabelled",
        "non face",
        "twin in test",
        "duplicate in train",
        "dropped",
        "of faces",
    ]
    assert cells(page, "Dropped faces") == [
        ["a", "0", "1", "1", "0", "2", "6"],
        ["b", "1", "0", "0", "1", "2", "4"],
    ]
    assert cells(page, "Frames that show no face") == [
        ["a", "blank", "0", "1"],
        ["a", "text", "1", "0"],
    ]
    assert cells(page, "Excluded entries") == [["b", ODD, "1"], ["b", "undecodable image", "51"]]
    assert cells(page, "Shorter side") == [["a", "44", "54", "64"], ["b", "90", "95", "100"]]
    assert cells(page, "Faces that left because") == [
        ["twin in test", "1", "0", "0"],
        ["duplicate in train", "1", "1", "1"],
        ["stays in test beside an earlier twin", "1", "0", "1"],
    ]
    assert cells(page, "In which data set") == [["a", "1"], ["b", "1"]]


def test_one_row_that_changes_is_seen(project: Path) -> None:
    read()
    before = read_json(JSON)
    frame = manifest()
    frame.loc[frame["sample_id"] == "a/0", "label"] = 1
    write_manifest(Path("data/manifest.parquet"), frame)
    page = read()
    assert cells(page, "All data sets")[0] == ["train", "0", "1", "0", "0", "0", "0", "0", "1"]
    after = read_json(JSON)
    assert after["kept"]["a"]["train"]["Disgust"] == 1 != before["kept"]["a"]["train"]["Disgust"]
    assert (
        after["manifest_sha256"]
        == sha256_file(Path("data/manifest.parquet"))
        != before["manifest_sha256"]
    )


def test_every_kind_of_face_is_shown_under_its_name(project: Path) -> None:
    page = read()
    by_class = ["a/0", SCRIPT, "a/1", "a/2", "b/2", "a/5"]
    classes, dropped, twins = map(page.section, ("classes", "dropped", "twins"))
    assert page.names(classes) == by_class, "classes in their order, then sources and splits"
    assert page.names(dropped) == ["b/3", "a/4", "a/3", "b/1", "a/4", "a/5"], (
        "reasons in their order, then flags"
    )
    assert page.names(twins) == ["a/3", "a/2", "b/1", "a/0", "b/2", "a/2"]
    for text, section in (("Angry all 1", classes), ("Non face all 1", dropped)):
        assert text in words(section)
    assert "Flagged: text all 1" in words(dropped) and "Twin in test: all 1" in words(twins)
    assert {span["data-name"] for span in classes.find_all("span", class_="face")} == {*by_class}


def test_pairs_say_which_face_left_because_of_which(project: Path) -> None:
    pairs = [words(figure) for figure in read().section("twins").find_all("figure")]
    assert pairs == [
        "Happy Happy dropped from a (Training) because of a, in test",
        "Fear Angry dropped from b (Training) because of a, in train",
        "Happy Happy in test of b as in a, in test",
    ]


def test_names_and_reasons_are_escaped(project: Path) -> None:
    page = read()
    assert not re.search(r"<script>alert|<i>odd|<u>|<b>odd", page.source)
    assert "b/<i>odd</i>" in page.text and f"{ODD}: all 1 by name" in page.text
    assert SCRIPT in page.names(page.section("classes"))


def test_the_first_fifty_of_many_exclusions_are_named(project: Path) -> None:
    page = read()
    assert "undecodable image: the first 50 of 51 by name" in page.text
    names = page.text.split()
    assert "b/broken-49" in names and "b/broken-50" not in names and "cut at 49" in page.text


def test_the_page_needs_nothing_from_outside(project: Path) -> None:
    page = read()
    page.is_alone()
    assert page.soup.find_all("img") and page.soup.find_all(href="#kept")
    assert "prefers-color-scheme: dark" in page.source and "width=device-width" in page.source


def test_the_same_inputs_give_the_same_bytes(project: Path) -> None:
    read()
    before = PAGE.read_bytes(), JSON.read_bytes()
    write_manifest(Path("data/manifest.parquet"), manifest())
    read()
    assert (PAGE.read_bytes(), JSON.read_bytes()) == before
    assert sorted(path.name for path in PAGE.parent.iterdir()) == ["datasheet.json", "index.html"]


def test_what_cannot_be_shown_leaves_the_old_page_alone(project: Path) -> None:
    read()
    before = PAGE.read_bytes()
    write_manifest(Path("data/manifest.parquet"), manifest()[1:])
    with pytest.raises(ArtifactError, match="other rows than this face store"):
        datasheet.main()
    store(project / "data" / "clean", "b", [])
    with pytest.raises(DataError, match="fer data add b PATH"):
        datasheet.main()
    assert PAGE.read_bytes() == before
    assert [path.name for path in Path("data").iterdir() if path.name.startswith(".")] == []


def test_where_nothing_is_kept_or_dropped_the_page_says_less(project: Path) -> None:
    frame = manifest().assign(split="dropped", reason="no_split", duplicate_of="")
    write_manifest(Path("data/manifest.parquet"), frame)
    page = read()
    assert page.names(page.section("classes")) == []
    assert len(page.names(page.section("dropped"))) == 12
    assert "No face is there twice." in page.text
    write_manifest(Path("data/manifest.parquet"), frame.assign(split="train", reason="", label=2))
    page = read()
    assert len(page.names(page.section("classes"))) == 10
    assert page.names(page.section("dropped")) == ["a/4", "a/5"]


def test_every_reason_has_words() -> None:
    assert tuple(REASON_WORDS) == (*REASONS, "kept")
