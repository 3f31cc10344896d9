"""The data sheet as one self-contained HTML file: counts first, then the faces themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fer_core.dataset.store.store import FaceStore
from fer_core.report.datasheet.contact_sheets import (
    Sheet,
    class_sheets,
    excluded_figures,
    left_out_sheets,
    pair_figure,
    sheet_figure,
    shown_of,
    thumbnails,
    twin_sheets,
)
from fer_core.report.datasheet.tables import (
    REASON_WORDS,
    facts,
    in_words,
    kept,
    left_out,
    sizes,
    twin_tables,
)
from fer_core.report.shared.markup import Markup, document, section, tag
from fer_core.report.shared.style import STYLE

__all__ = ["render_datasheet"]

_TITLE = "Facial-expression data: what they are"
_CONTENTS = (
    ("kept", "Kept faces"),
    ("left-out", "Left out"),
    ("sizes", "Image sizes"),
    ("twins", "Twins"),
    ("classes", "Faces by class"),
    ("dropped", "Faces left out"),
    ("excluded", "Entries that give no face"),
)
_HOW = (
    "Drawn at random by name, as many from each data set and split as there are, up to an equal "
    "share, and in that order. "
    "Point at a face, or touch it, to read its name."
)
_FIRST = "The first of each data set; of a photo with several faces, the whole photo. What cannot be decoded is not shown."
_BOTH_STAY = "both are in one split and stay: val and test are kept whole, and train too where repeated faces are kept"

_STYLE = """
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: .9rem .8rem; margin: .3rem 0 1rem; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; align-content: start; font-size: .8rem; line-height: 1.35; }
.pair figcaption { grid-column: 1 / -1; font-size: .74rem; overflow-wrap: anywhere; }
.pair b.differs { color: var(--c1); }
thead th { white-space: normal; }
.words, .names { padding-left: 1.1rem; margin: .4rem 0; }
.names { font-size: .85rem; overflow-wrap: anywhere; }
svg.chart { overflow: visible; }
.bar { fill: var(--c0); }
@media (max-width: 480px) {
  table { font-size: .8rem; }
  th, td { white-space: normal; padding: .25rem .3rem; }
  .by-source tbody th { min-width: 8rem; max-width: 8rem; overflow-wrap: anywhere; }
  .by-source tbody th span { display: block; }
}
"""


def render_datasheet(
    counts: Mapping[str, Any], faces: pd.DataFrame, stores: Mapping[str, FaceStore]
) -> str:
    """The whole page; the same text for the same manifest and stores.

    Args:
        counts: as `count_faces` gives them: every number shown.
        faces: as `datasheet_faces` gives them: who is shown.
        stores: the face stores they are in.
    """
    classes, gone, pairs = class_sheets(faces), left_out_sheets(faces), twin_sheets(faces)
    excluded = excluded_figures(stores)
    pictures = thumbnails(faces, stores, [*classes, *gone, *pairs])
    listed = [(anchor, name) for anchor, name in _CONTENTS if excluded or anchor != "excluded"]
    contents = tag(
        "nav",
        *(tag("a", name, href=f"#{anchor}") for anchor, name in listed),
        aria_label="Contents",
    )
    sections = [
        kept(counts),
        left_out(counts, stores),
        sizes(counts),
        section("twins", "Twins and leakage", twin_tables(counts), *_pairs(pairs, faces, pictures)),
        section(
            "classes",
            "Faces by class",
            tag("p", _HOW, class_="note"),
            _sheets(classes, faces, pictures),
        ),
        section(
            "dropped",
            "Faces left out",
            tag("p", _HOW, class_="note"),
            _sheets(gone, faces, pictures),
        )
        if gone
        else None,
        section(
            "excluded",
            "Entries that give no face",
            tag("p", _FIRST, class_="note"),
            tag("div", *excluded, class_="sheets"),
        )
        if excluded
        else None,
    ]
    foot = tag(
        "p",
        "Made from the manifest with SHA-256 ",
        tag("code", counts["manifest_sha256"]),
        class_="note hash",
    )
    return document(
        _TITLE,
        f"{STYLE}\n{_STYLE.strip()}",
        tag("main", tag("h1", _TITLE), facts(counts), contents, *sections, foot),
    )


def _sheets(sheets: Sequence[Sheet], faces: pd.DataFrame, pictures: Mapping[int, str]) -> Markup:
    return tag(
        "div",
        *(sheet_figure(sheet, _title(sheet), faces, pictures) for sheet in sheets if sheet.total),
        class_="sheets",
    )


def _pairs(
    sheets: Sequence[Sheet], faces: pd.DataFrame, pictures: Mapping[int, str]
) -> list[Markup]:
    found = []
    for sheet in sheets:
        words = REASON_WORDS.get(sheet.key, _BOTH_STAY)
        head = tag("h3", f"{_title(sheet)}: {shown_of(sheet)}")
        grid = tag(
            "div", *(pair_figure(row, faces, pictures) for row in sheet.rows), class_="pairs"
        )
        found.append(tag("div", head, tag("p", words, class_="note"), grid))
    return found


def _title(sheet: Sheet) -> str:
    if sheet.kind == "flag":
        return f"Flagged: {sheet.key}"
    if sheet.kind == "twin" and sheet.key == "kept":
        return "Kept beside an earlier twin"
    return sheet.key if sheet.kind == "class" else in_words(sheet.key).capitalize()
