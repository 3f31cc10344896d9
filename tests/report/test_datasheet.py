"""The stage `datasheet`: the page is self-contained and escaped, and its numbers are those of the
manifest and the stores.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import read_json, sha256_file
from fer_core.base.labels import CLASSES
from fer_core.dataset.assembly.leakage import REASONS
from fer_core.dataset.manifest.table import write_manifest
from fer_core.report.datasheet.tables import REASON_WORDS
from fer_core.report.shared.charts import histogram
from stages import datasheet
from tests.dataset.tiny_stores import store
from tests.report.tiny_datasheet import ODD, SCRIPT, manifest, write_stores

_VOID = {"meta", "br", "img"}
PAGE = Path("data/datasheet/index.html")
JSON = Path("data/datasheet/datasheet.json")


class Reader(HTMLParser):
    """Keeps every table's rows under its name, the images of every section, all tags and all text;
    checks that tags are closed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.images: dict[str, list[str]] = {}
        self._table, self._section, self._cell = "", "", False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "section":
            self._section = attributes["id"] or ""
        if tag == "table":
            self._table = attributes["aria-label"] or ""
            assert self._table not in self.tables
            self.tables[self._table] = []
        if tag == "tr":
            self.tables[self._table].append([])
        if tag in ("td", "th"):
            self.tables[self._table][-1].append("")
            self._cell = True
        if tag == "img":
            self.images.setdefault(self._section, []).append(attributes["alt"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._cell:
            self.tables[self._table][-1][-1] += data

    def table(self, start: str) -> list[list[str]]:
        """The rows below the head of the table whose name starts so."""
        (rows,) = [rows for name, rows in self.tables.items() if name.startswith(start)]
        return rows[1:]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    write_stores(tmp_path / "data" / "clean")
    write_manifest(Path("data/manifest.parquet"), manifest())
    Path("params.yaml").write_text("seed: 1337\nmanifest: {sources: [a, b]}\n")
    return tmp_path


def read() -> tuple[str, Reader]:
    datasheet.main()
    text = PAGE.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return text, reader


def test_the_tables_say_what_is_in_the_manifest_and_the_stores(project: Path) -> None:
    _, page = read()
    assert page.table("All data sets") == [
        ["train", "1", "0", "0", "0", "0", "0", "0", "1"],
        ["val", "0", "0", "0", "1", "0", "0", "0", "1"],
        ["calib", "0", "0", "1", "0", "0", "0", "0", "1"],
        ["test", "0", "0", "0", "2", "1", "0", "0", "3"],
    ]
    assert page.table("Each data set and split") == [
        ["a train", "1", "0", "0", "0", "0", "0", "0", "1"],
        ["a val", "0", "0", "0", "1", "0", "0", "0", "1"],
        ["a test", "0", "0", "0", "1", "1", "0", "0", "2"],
        ["b calib", "0", "0", "1", "0", "0", "0", "0", "1"],
        ["b test", "0", "0", "0", "1", "0", "0", "0", "1"],
    ]
    (head,) = [rows[0] for name, rows in page.tables.items() if name.startswith("Dropped faces")]
    assert head == [
        "data set",
        "unlabelled",
        "non face",
        "twin in test",
        "duplicate in train",
        "dropped",
        "of faces",
    ]
    assert page.table("Dropped faces") == [
        ["a", "0", "1", "1", "0", "2", "6"],
        ["b", "1", "0", "0", "1", "2", "4"],
    ]
    assert page.table("Frames that show no face") == [
        ["a", "blank", "0", "1"],
        ["a", "text", "1", "0"],
    ]
    assert page.table("Excluded entries") == [["b", ODD, "1"], ["b", "undecodable image", "51"]]
    assert page.table("Shorter side") == [["a", "44", "54", "64"], ["b", "90", "95", "100"]]
    assert page.table("Faces that left because") == [
        ["twin in test", "1", "0", "0"],
        ["duplicate in train", "1", "1", "1"],
        ["stays in test beside an earlier twin", "1", "0", "1"],
    ]
    assert page.table("In which data set") == [["a", "1"], ["b", "1"]]


def test_one_row_that_changes_is_seen(project: Path) -> None:
    read()
    before = read_json(JSON)
    frame = manifest()
    frame.loc[frame["sample_id"] == "a/0", "label"] = 1
    write_manifest(Path("data/manifest.parquet"), frame)
    _, page = read()
    assert page.table("All data sets")[0] == ["train", "0", "1", "0", "0", "0", "0", "0", "1"]
    after = read_json(JSON)
    assert after["kept"]["a"]["train"]["Disgust"] == 1 != before["kept"]["a"]["train"]["Disgust"]
    assert (
        after["manifest_sha256"]
        == sha256_file(Path("data/manifest.parquet"))
        != before["manifest_sha256"]
    )


def test_every_kind_of_face_is_shown_under_its_name(project: Path) -> None:
    _, page = read()
    by_class = ["a/0", SCRIPT, "a/1", "a/2", "b/2", "a/5"]
    assert page.images["classes"] == by_class, "classes in their order, then sources and splits"
    assert page.images["dropped"] == ["b/3", "a/4", "a/3", "b/1", "a/4", "a/5"], (
        "reasons in their order, then flags"
    )
    assert page.images["twins"] == ["a/3", "a/2", "b/1", "a/0", "b/2", "a/2"]
    captions = [
        piece
        for piece in page.text
        if piece in (*CLASSES, "Non face", "Flagged: text", "Twin in test: all 1")
    ]
    assert {"Angry", "Non face", "Flagged: text", "Twin in test: all 1"} <= set(captions)
    assert {attributes.get("data-name") for name, attributes in page.tags if name == "span"} >= set(
        by_class
    )


def test_names_and_reasons_are_escaped(project: Path) -> None:
    text, page = read()
    assert not re.search(r"<script|<i>odd|<u>|<b>odd", text)
    assert "b/<i>odd</i>" in page.text and f"{ODD}: all 1 by name" in page.text
    assert SCRIPT in page.images["classes"]


def test_the_first_fifty_of_many_exclusions_are_named(project: Path) -> None:
    _, page = read()
    assert "undecodable image: the first 50 of 51 by name" in page.text
    assert (
        "b/broken-49" in page.text and "b/broken-50" not in page.text and " cut at 49" in page.text
    )


def test_nothing_comes_from_outside_and_nothing_runs(project: Path) -> None:
    text, page = read()
    assert not re.search(r"https?:|url\(|@import|javascript:", text)
    assert not {name for name, _ in page.tags} & {
        "script",
        "link",
        "iframe",
        "object",
        "image",
        "use",
        "foreignobject",
    }
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    sources = [attributes["src"] or "" for _, attributes in page.tags if "src" in attributes]
    assert sources and all(
        re.fullmatch(r"data:image/jpeg;base64,[A-Za-z0-9+/]+=*", source) for source in sources
    )
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [attributes["href"] or "" for _, attributes in page.tags if "href" in attributes]
    assert links and {link.removeprefix("#") for link in links} <= anchors
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text


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
    _, page = read()
    assert "classes" not in page.images and len(page.images["dropped"]) == 12
    assert "No face is there twice." in page.text
    write_manifest(Path("data/manifest.parquet"), frame.assign(split="train", reason="", label=2))
    _, page = read()
    assert len(page.images["classes"]) == 10 and page.images["dropped"] == ["a/4", "a/5"]


def test_every_reason_has_words() -> None:
    assert tuple(REASON_WORDS) == REASONS


def test_a_histogram_stays_in_its_frame_and_bars_are_as_high_as_their_counts() -> None:
    chart = histogram([32, 45, 64, 91], [10, 0, 5], "t", "pixels")
    width, height = (
        float(value) for value in re.search(r'viewBox="0 0 (\S+) (\S+)"', chart).groups()
    )  # type: ignore[union-attr]
    bars = [
        [float(value) for value in bar]
        for bar in re.findall(r'<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"', chart)
    ]
    assert len(bars) == 3
    assert all(
        x >= 0 and x + wide <= width and y >= 0 and y + high <= height for x, y, wide, high in bars
    )
    assert [high for *_, high in bars] == pytest.approx([bars[0][3], 0, bars[0][3] / 2], abs=0.2)
    assert (
        "<title>32 to 44 pixels: 10</title>" in chart
        and "<title>64 to 90 pixels: 5</title>" in chart
    )
    assert re.findall(r">(\d+)</text>", chart)[-4:] == ["32", "45", "64", "91"]
