"""The data sheet as one self-contained HTML file: counts first, then the faces themselves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from fer_core.base.labels import CLASSES
from fer_core.dataset.pack.rows import SPLITS
from fer_core.dataset.store.store import FaceStore
from fer_core.report.charts.render import draw, draw_both
from fer_core.report.datasheet.contact_sheets import (
    class_sheets,
    excluded_grids,
    left_out_sheets,
    sheet_grid,
    thumbnails,
    twin_pair,
    twin_sheets,
)
from fer_core.report.datasheet.origins import Origin
from fer_core.report.templates.load import page_environment

__all__ = ["REASON_WORDS", "render_datasheet"]

_TEMPLATES = page_environment(Path(__file__).parent)
_NAMES = 50
REASON_WORDS = {
    "unlabelled": "the source gives no label",
    "no_split": "the source puts it in none of train, val and test",
    "eval_only": "a train or val row of a source of which only test rows are used",
    "self_labelled": "a network gave the label: outside train, or the same picture is labelled",
    "non_face": "a blank frame, text or a sign, outside test",
    "twin_in_test": "the same picture is in test",
    "group_in_test": "a face of the same photo or person is in test",
    "twin_in_val": "the same picture is in val",
    "group_in_val": "a face of the same photo or person is in val",
    "contradictory_twins": "the same picture has another label in the same source",
    "duplicate_in_train": "the same picture is among the train rows already, from which the other "
    "splits may be carved later; FERPlus beside FER2013 loses nearly all of its rows so, because "
    "it labels the same pictures again",
    "kept": "both are in one split and stay: val and test are kept whole, and train too where "
    "repeated faces are kept",
}
"""Reason, or "kept" of pairs that stay -> what it means."""


def render_datasheet(
    counts: Mapping[str, Any],
    faces: pd.DataFrame,
    stores: Mapping[str, FaceStore],
    origins: Mapping[str, tuple[Origin, str]],
) -> str:
    """The whole page; the same text for the same manifest and stores.

    Args:
        counts: as `count_faces` gives them: every number shown.
        faces: as `datasheet_faces` gives them: who is shown.
        stores: the face stores they are in.
        origins: where each data set comes from, and its terms of use.
    """
    classes, gone, pairs = class_sheets(faces), left_out_sheets(faces), twin_sheets(faces)
    pictures = thumbnails(faces, stores, [*classes, *gone, *pairs])
    together = {
        split: {
            name: sum(splits[split][name] for splits in counts["kept"].values()) for name in CLASSES
        }
        for split in SPLITS
    }
    return _TEMPLATES.get_template("datasheet.html.j2").render(
        counts=counts,
        classes=CLASSES,
        together=together,
        class_chart=_class_chart(counts),
        size_charts={
            source: _size_chart(counts["sizes"]["edges"], found["bins"], source)
            for source, found in counts["sizes"]["sources"].items()
        },
        reasons=REASON_WORDS,
        origins=origins,
        names=_excluded_names(stores),
        first_names=_NAMES,
        class_grids=[sheet_grid(sheet, faces, pictures) for sheet in classes if sheet.total],
        gone_grids=[sheet_grid(sheet, faces, pictures) for sheet in gone],
        twins=[(sheet, [twin_pair(row, faces, pictures) for row in sheet.rows]) for sheet in pairs],
        excluded=excluded_grids(stores),
    )


def _class_chart(counts: Mapping[str, Any]) -> Markup:
    """Kept faces of each class, one bar of its data sets."""
    sources = list(counts["kept"])
    rows = [
        {
            "name": label,
            "kind": source,
            "order": place,
            "count": sum(found[label] for found in counts["kept"][source].values()),
        }
        for label in CLASSES
        for place, source in enumerate(sources)
    ]
    title = "Kept faces of each class by data set"
    return draw_both("stacked", rows, title, kinds=sources, x_label="faces")


def _size_chart(edges: list[int], bins: list[int], source: str) -> Markup:
    """How many faces have a shorter side in each bin."""
    rows = [
        {"bin": f"{first:,}" if end == first + 1 else f"{first:,}–{end - 1:,}", "count": count}
        for first, end, count in zip(edges[:-1], edges[1:], bins, strict=True)
    ]
    return draw("histogram", rows, f"{source}: shorter side of kept faces", x_label="pixels")


def _excluded_names(stores: Mapping[str, FaceStore]) -> dict[str, list[tuple[str, str]]]:
    """Name and detail of every excluded entry, by reason."""
    found: dict[str, list[tuple[str, str]]] = {}
    for store in stores.values():
        for item in store.meta["exclusions"]:
            found.setdefault(item["reason"], []).append((item["sample_id"], item["detail"]))
    return dict(sorted(found.items()))
