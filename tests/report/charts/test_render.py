"""Charts: the same bytes every time, self-contained, escaped, and as large as their numbers."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup, Tag

from fer_core.base.reading import read_yaml
from fer_core.report.charts import render
from fer_core.report.charts.render import Chart, draw, draw_both, draw_file

ROOT = Path(__file__).parents[3]
HOSTILE = '<script>"</script> &'
INTERVALS = [
    {"name": HOSTILE, "kind": "a", "value": 0.5, "low": 0.4, "high": 0.6, "label": "0.500"},
    {"name": "b", "kind": "b", "value": 0.7, "low": 0.7, "high": 0.7, "label": "0.700"},
]


def intervals(width: int = render.NARROW) -> str:
    return draw(
        "intervals",
        INTERVALS,
        f"t {HOSTILE}",
        width,
        kinds=["a", "b"],
        reference=[{"at": 0.5}],
        x_label="x",
        from_zero=False,
    )


def marks(svg: str, start: str) -> list[Tag]:
    """Marks whose words begin so."""
    soup = BeautifulSoup(svg, "html.parser")
    return [mark for mark in soup.find_all(attrs={"aria-label": re.compile(start)}) if mark.title]


def moved(mark: Tag) -> list[float]:
    return [float(value) for value in re.findall(r"-?[\d.]+", str(mark["transform"]))]


def test_the_same_rows_give_the_same_bytes() -> None:
    before = intervals()
    render._rendered.cache_clear()
    assert intervals() == before


def test_names_are_escaped_and_nothing_is_fetched() -> None:
    svg = intervals()
    assert "<script" not in svg and not re.search(r"https?:|url\(|href", svg)
    soup = BeautifulSoup(svg, "html.parser")
    assert soup.svg and soup.svg["aria-label"] == f"t {HOSTILE}"
    assert HOSTILE in [text.get_text() for text in soup.find_all("text")]


def test_data_from_elsewhere_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {"data": {"url": "https://example.org/x.csv"}, "mark": "point", "encoding": {}}
    read = render._read
    monkeypatch.setattr(render, "_read", lambda name: spec if name == "x" else read(name))
    with pytest.raises(ValueError, match="not allowed"):
        draw("x", [], "t")


def test_colours_are_the_style_sheets_so_that_dark_and_light_share_a_drawing() -> None:
    found = set(re.findall(r'(?:fill|stroke)="([^"]+)"', intervals()))
    assert found - {"none", "transparent"} <= {
        *(f"var(--c{place})" for place in range(10)),
        "var(--ink)",
        "var(--faint)",
        "var(--rule)",
    }


def test_a_dot_is_inside_its_interval_and_says_what_it_shows() -> None:
    (line,), (dot,) = (marks(intervals(), start) for start in ("^x: 0.4", "^value: 0.5"))
    (left, _), (at, _) = moved(line), moved(dot)
    width = abs(float(str(line["x2"])))
    assert left - width - 0.1 <= at <= left + width + 0.1
    assert dot.title and "value: 0.5" in dot.title.get_text()


def test_a_chart_for_two_widths_has_both() -> None:
    both = draw_both("histogram", [{"bin": "1", "count": 2}], "t", x_label="pixels")
    boxes = [float(box) for box in re.findall(r'viewBox="0 0 (\d+)', both)]
    assert boxes == [render.WIDE, render.NARROW]


def test_bars_are_as_high_as_their_counts_and_need_no_names_that_change() -> None:
    rows = [{"bin": edge, "count": count} for edge, count in (("32", 10), ("45", 0), ("64", 5))]
    svg = draw("histogram", rows, "t", x_label="pixels")
    bars = marks(svg, "^pixels")
    assert [bar["aria-label"] for bar in bars] == [
        "pixels: 32; count: 10",
        "pixels: 45; count: 0",
        "pixels: 64; count: 5",
    ]
    found = (re.search(r"v([\d.]+)h", str(bar["d"])) for bar in bars)
    heights = [float(match[1]) for match in found if match]
    assert heights == pytest.approx([heights[0], 0, heights[0] / 2], abs=0.1)
    assert "id=" not in svg, "numbered in the order of drawing, and so other ones each time"


def test_a_cell_of_a_matrix_is_as_dark_as_its_value_and_uses_the_style_sheet_s_colours() -> None:
    rows = [
        {"row": HOSTILE, "column": "x", "value": value, "label": "", "below": "", "framed": framed}
        | {"column": name}
        for name, value, framed in (("x", 0.0, False), ("y", 0.5, True), ("z", 1.0, False))
    ]
    fills = {"x_angle": -90, "x_align": "left", "x_baseline": "middle"}
    svg = draw("matrix", rows, "t", x_label="tested on", y_label="left out", **fills)
    cells = marks(svg, "^tested on")
    dark = [float(str(cell["fill-opacity"])) for cell in cells]
    assert dark == pytest.approx([0.04, 0.33, 0.62])
    assert [cell.get("stroke") for cell in cells] == [None, "var(--ink)", None]
    used = set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg)) - {"none", "transparent"}
    assert used <= {"var(--c0)", "var(--ink)", "var(--faint)", "var(--rule)"}
    assert "<script" not in svg and "id=" not in svg


def test_a_chart_as_a_file_brings_its_colours_for_light_and_dark() -> None:
    rows = [{"model": HOSTILE, "epoch": n, "f1": 0.1 * n} for n in range(3)]
    names = {"x": "epoch", "x_label": "epoch", "y": "f1", "y_label": "F1"}
    file = draw_file("lines_by_model", rows, "t", **names)
    root = ElementTree.fromstring(file)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and file.endswith("</svg>\n")
    style = root[0].text or ""
    light, _, dark = style.partition("prefers-color-scheme: dark")
    for variable in set(re.findall(r"var\((--\w+)\)", file)):
        of_light, of_dark = (re.findall(rf"{variable}: (#\w+);", part) for part in (light, dark))
        assert len(of_light) == len(of_dark) == 1 and of_light != of_dark, variable
    assert "http" not in file.replace("http://www.w3.org/", "")


def test_a_label_past_the_right_end_of_a_file_is_not_cut_off() -> None:
    ends = {"kind": "k", "value": 0.8, "low": 0.1, "high": 0.9}
    rows = [{"name": "n", "label": label, **ends} for label in ("", "0.800 of 1,234")]
    fills = {"kinds": ["k"], "x_label": "x", "reference": [], "from_zero": False}
    plain, wide = (
        float(re.findall(r'viewBox="0 0 ([\d.]+) ', Chart("intervals", [row], "t", fills).file)[0])
        for row in rows
    )
    assert wide - plain == 6 * len("0.800 of 1,234")
    assert 'viewBox="0 0 480 ' in draw("intervals", rows, "t", 480, **fills)


def test_every_template_of_dvc_plots_is_a_chart_of_the_report() -> None:
    plots = read_yaml(ROOT / "dvc.yaml")["plots"]
    templates = {plot["template"] for entry in plots for plot in entry.values()}
    ours = {Path(name) for name in templates if name.endswith(".json")}
    assert {path.stem for path in ours} == {"lines_by_model", "reliability"}
    for path in ours:
        assert path.parent == Path("fer_core/report/charts")
        spec = (ROOT / path).read_text(encoding="utf-8")
        assert "<DVC_METRIC_DATA>" in spec and "var(--" not in spec and json.loads(spec)
