"""Charts as inline SVG from Vega-Lite specifications, rendered offline.

Each chart is defined once, in a JSON file beside this module. `dvc plots` draws the same files (see
`plots:` in dvc.yaml), so a chart in the report and in a comparison of commits is one definition. A
specification has no colours: they come from `theme.json`, as the page's CSS variables, so one
drawing serves light and dark. Text is measured with Liberation Sans, whose widths are Arial's; the
style sheet asks for one of the two. The version of Vega-Lite is fixed: the same rows give the same
bytes.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import vl_convert
from markupsafe import Markup

__all__ = ["NARROW", "WIDE", "Chart", "draw", "draw_both", "draw_file"]

NARROW, WIDE = 340, 480
"""Widths in CSS pixels: a phone's, and a column of a desktop's."""
_FOLDER = Path(__file__).parent
_VERSION = "5.20"
_LEGENDS = ("kind", "model", "stage")
"""Columns that colours stand for; the longest name decides how many fit side by side."""
_MARK = re.compile(r'<(path|line|rect|text)( aria-label="([^"]*)"[^>]*)/>')
_ROOT_RULE = re.compile(r":root \{([^}]*)\}")
_HIDDEN = re.compile(r'<(path|line)[^>]* display="none"[^>]*/>|<text[^>]* opacity="0">[^<]*</text>')


@dataclass(frozen=True)
class Chart:
    """A chart that is drawn where it is shown: in a page, or as a file.

    Attributes:
        name: of the specification, without ".json".
        rows: the data.
        title: for those who do not see it.
        fills: what stands for anchors in the specification.
    """

    name: str
    rows: Sequence[Mapping[Any, Any]]
    title: str
    fills: Mapping[str, Any]

    @property
    def both(self) -> Markup:
        """For a page (`draw_both`)."""
        return draw_both(self.name, self.rows, self.title, **self.fills)

    @property
    def file(self) -> str:
        """As an SVG file (`draw_file`)."""
        return draw_file(self.name, self.rows, self.title, **self.fills)


def draw(
    name: str, rows: Sequence[Mapping[Any, Any]], title: str, width: int = NARROW, **fills: Any
) -> Markup:
    """A chart as an `svg` element; each mark says what it shows when it is pointed at.

    Args:
        name: of the specification, without ".json".
        rows: the data.
        title: for those who do not see it.
        width: of the whole drawing.
        fills: what stands for an anchor in the specification: `x="epoch"` for `<DVC_METRIC_X>`.
    """
    anchors = {f"<DVC_METRIC_{key.upper()}>": value for key, value in fills.items()}
    anchors |= {"<DVC_METRIC_DATA>": list(rows), "<DVC_METRIC_PLOT_WIDTH>": width}
    anchors = {"<DVC_METRIC_PLOT_HEIGHT>": 210, **anchors}
    spec = _filled(_read(name), anchors)
    spec.pop("title", None)  # a figure has a caption
    named = (str(row[key]) for row in rows for key in _LEGENDS if key in row)
    columns = max(1, width // (26 + 7 * max(map(len, named), default=1)))
    theme = _read("theme")
    config = theme | {"legend": theme["legend"] | {"columns": columns}}
    svg = _rendered(json.dumps(spec), json.dumps(config))
    drawing = _MARK.sub(r"<\1\2><title>\3</title></\1>", _HIDDEN.sub("", svg))
    head, _, body = drawing.partition(">")
    (box,) = re.findall(r'viewBox="[^"]*"', head)
    size = f'{box} style="max-width:{1.15 * width:.0f}px"'
    return Markup(f'<svg class="chart" role="img" aria-label="{escape(title)}" {size}>{body}')


def draw_both(name: str, rows: Sequence[Mapping[Any, Any]], title: str, **fills: Any) -> Markup:
    """A chart for a wide and for a narrow place; the style sheet shows the one that fits."""
    wide, narrow = (draw(name, rows, title, width, **fills) for width in (WIDE, NARROW))
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(wide, narrow)


def draw_file(name: str, rows: Sequence[Mapping[Any, Any]], title: str, **fills: Any) -> str:
    """A chart as an SVG file of its own, which brings the page's colours for light and dark, and
    room for labels that stand past its right end.
    """
    head, _, body = str(draw(name, rows, title, WIDE, **fills)).partition(">")
    if name == "intervals":
        beyond = 16 + 6 * max((len(str(row.get("label", ""))) for row in rows), default=0)
        head = head.replace(f'viewBox="0 0 {WIDE} ', f'viewBox="0 0 {WIDE + beyond} ')
    page = (_FOLDER.parent / "templates/style.css").read_text(encoding="utf-8")
    light, dark = _ROOT_RULE.findall(page)
    style = (
        f":root {{{light}}} @media (prefers-color-scheme: dark) {{ :root {{{dark}}} }}"
        " text { font-family: Liberation Sans, Arial, sans-serif; }"
    )
    xmlns = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"{head} {xmlns}><style>{style}</style>{body}\n"


@cache
def _rendered(spec: str, config: str) -> str:
    """The drawing of a specification; drawing takes 50 ms, so the same one is not drawn twice."""
    svg: str = vl_convert.vegalite_to_svg(
        spec, vl_version=_VERSION, config=json.loads(config), allowed_base_urls=[]
    )
    return svg


@cache
def _read(name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return values


def _filled(spec: Any, anchors: Mapping[str, Any]) -> Any:
    """The specification with anchors replaced, and without what tells revisions apart."""
    if isinstance(spec, dict):
        kept = {key: value for key, value in spec.items() if not _is_revision(value)}
        return {key: _filled(value, anchors) for key, value in kept.items()}
    if isinstance(spec, list):
        return [_filled(value, anchors) for value in spec]
    return anchors.get(spec, spec) if isinstance(spec, str) else spec


def _is_revision(value: Any) -> bool:
    return isinstance(value, dict) and value.get("field") == "rev"
