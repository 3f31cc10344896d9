"""How far to trust a network, as a page with pictures: under corruption, when it had better not
answer, against annotators' votes, by subgroup, and on data sets that it has not learned from.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_cli.results.tables import templates
from fer_core.base.glossary import words_section
from fer_core.report.charts.render import Chart
from fer_core.report.run.limits import (
    corruption_matrix,
    matrix_chart,
    risk_chart,
    subgroup_chart,
    votes_chart,
)

__all__ = ["render_trust"]

_SECTIONS = ("robustness", "selective", "ambiguity", "fairness", "cross_dataset")


def render_trust(
    title: str, made: str, found: Mapping[str, dict[str, Any] | None], out: Path
) -> dict[Path, str]:
    """The page and its pictures.

    Args:
        title: heading.
        made: lines of Markdown that say what was measured, and how to do it again.
        found: records of `metrics/` by name: robustness, selective, ambiguity, fairness and, where
            data sets were left out of trainings, cross_dataset. None or missing: no such section.
        out: where the page is written; the pictures lie beside it.

    Returns:
        Path and text of each file.
    """
    charts = {name: chart for name, chart in _charts(found).items() if chart is not None}
    pictures = {out.with_name(f"{out.stem}-{name}.svg"): one.file for name, one in charts.items()}
    page: str = (
        templates()
        .get_template("trust.md.j2")
        .render(
            title=title,
            made=made,
            pictures={name: f"{out.stem}-{name}.svg" for name in charts},
            **{name: found.get(name) or {} for name in _SECTIONS},
        )
    )
    return {out: page + words_section(page), **pictures}


def _charts(found: Mapping[str, dict[str, Any] | None]) -> dict[str, Chart | None]:
    robust, votes, fair, across = (
        found.get(name) or {} for name in ("robustness", "ambiguity", "fairness", "cross_dataset")
    )
    charts: dict[str, Chart | None] = {}
    if "mce" in robust:
        words = "{} under corruption, by strength"
        charts["accuracy"] = corruption_matrix(robust, "accuracy", words.format("Accuracy"))
        charts["ece"] = corruption_matrix(robust, "ece", words.format("Calibration error"))
    if selective := found.get("selective"):
        charts["risk"] = risk_chart(selective)
    if "nll" in votes:
        charts["votes"] = votes_chart(votes)
    if "attributes" in fair:
        charts["subgroups"] = subgroup_chart(fair)
    if "cells" in across:
        charts["elsewhere"] = matrix_chart(across, "accuracy", "Accuracy without a data set")
    return charts
