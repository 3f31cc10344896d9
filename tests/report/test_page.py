"""The page: complete, self-contained, escaped, and its numbers are the artifacts'."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fer_core.files import read_json
from fer_core.labels import CLASSES
from fer_core.report.charts import Interval, Line, forest, line_chart, ticks
from fer_core.report.markup import Markup, table, tag
from stages import report
from tests.report.conftest import STUDENTS, TEACHERS

_VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Checks that elements are closed in order; keeps names, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def page(project: Path) -> tuple[str, Reader]:
    report.main()
    text = Path("data/report/index.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return text, reader


def test_nothing_comes_from_outside_and_nothing_runs(page: tuple[str, Reader]) -> None:
    text, reader = page
    assert not re.search(r"https?:|url\(|@import|javascript:|//\w+\.", text)
    assert not {name for name, _ in reader.tags} & {"script", "link", "img", "iframe", "object", "image", "use", "foreignobject"}
    anchors = {attributes["id"] for _, attributes in reader.tags if "id" in attributes}
    links = [attributes["href"] or "" for _, attributes in reader.tags if "href" in attributes]
    assert links and all(link.startswith("#") and link[1:] in anchors for link in links)
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)


def test_text_of_params_and_artifacts_is_escaped(page: tuple[str, Reader]) -> None:
    text, reader = page
    assert "<script>none" not in text and "<undecodable>" not in text
    assert any("<script>none</script> & free" in piece for piece in reader.text)
    assert "excluded: <undecodable> image" in reader.text


def test_everybody_and_every_section_is_there(page: tuple[str, Reader]) -> None:
    text, reader = page
    for anchor in ("methods", "leaderboard", "classes", "calibration", "training", "teachers", "data", "onnx", "provenance"):
        assert f'<section id="{anchor}"' in text
    for key in (*TEACHERS, *STUDENTS, "ensemble", *CLASSES, "student.fp16.onnx"):
        assert key in reader.text
    assert read_json(Path("data/comparison/comparison.json"))["pairs"][0]["verdict"] in reader.text
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text


def test_the_numbers_shown_are_the_artifacts(page: tuple[str, Reader]) -> None:
    text, reader = page
    recorded = read_json(Path("data/evaluation/kd-1/metrics.json"))["sets"]["everything"]
    f1 = recorded["metrics"]["macro_f1"]
    assert f"kd-1 (mobilenet) reaches macro-F1 {f1['value']:.3f} (95 % CI {f1['low']:.3f} to {f1['high']:.3f})" in text
    assert "on everything, 210 test faces." in text
    for key in STUDENTS:
        for value in read_json(Path(f"data/evaluation/{key}/metrics.json"))["sets"]["everything"]["per_class_f1"].values():
            assert f"{value:.3f}" in reader.text
    for row in recorded["confusion"]:
        for count in row:
            assert f"{100 * count / sum(row):.0f} %" in reader.text
    for point in read_json(Path("data/softlabels/ensemble_metrics.json"))["sharpness"]:
        assert f"{point['entropy']:.3f}" in reader.text
    assert "1.2e-02" in reader.text and "99.52 %" in reader.text
    assert "a" * 8 not in text or read_json(Path("data/validation.json"))["manifest_sha256"] in reader.text


def test_a_synthetic_run_says_so(project: Path) -> None:
    report.main()
    assert "embedded sample" not in Path("data/report/index.html").read_text(encoding="utf-8")
    gate = Path("data/validation.json")
    gate.write_text(gate.read_text(encoding="utf-8").replace("rafdb_basic", "sample_rafdb"), encoding="utf-8")
    report.main()
    assert "embedded sample" in Path("data/report/index.html").read_text(encoding="utf-8")


def test_markup_escapes_text_and_attributes_but_not_itself() -> None:
    inner = tag("b", "<&>", 0, None, title='"quoted"')
    assert inner == '<b title="&quot;quoted&quot;">&lt;&amp;&gt;0</b>'
    assert tag("p", inner) == f"<p>{inner}</p>"
    assert isinstance(inner, Markup)
    assert "&lt;i&gt;" in table(["<i>"], [["a", 1.5]], "c")


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.31, 0.345), (1.9, 12.0), (0.5, 0.5), (-3.0, 1e-3), (0.0, 1e6)])
def test_ticks_are_round_and_cover_the_values(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found[0] <= low + 1e-9 and found[-1] >= high - 1e-9
    assert 2 <= len(found) <= 12
    assert found == sorted(set(found))


def test_charts_stay_inside_their_frame() -> None:
    lines = [Line("a", [0, 1, 2], [0.1, 5.0, 3.0]), Line("b", [0], [2.5])]
    intervals = [Interval("a-very-long-name-of-a-model", "s0", 0.5, 0.4, 0.6), Interval("b", "s1", 0.7, 0.7, 0.7)]
    for chart in (line_chart(lines, "t", "x", "y"), forest(intervals, "t", "x")):
        width, height = (float(value) for value in re.search(r'viewBox="0 0 (\S+) (\S+)"', chart).groups())  # type: ignore[union-attr]
        for path in re.findall(r' d="([^"]*)"', chart):
            for x, y in re.findall(r"[ML](\S+) ([^L]+)", path.replace("L", " L").replace("M", "M")):
                assert 0 <= float(x) <= width and 0 <= float(y) <= height
