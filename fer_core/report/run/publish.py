"""The report as files: `index.html` and the page of all hard rows."""

from pathlib import Path
from typing import Any

from fer_core.base.files import new_folder, write_text
from fer_core.base.params import Params
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.report.facts.collect import RunFacts
from fer_core.report.facts.here import Here
from fer_core.report.facts.preference import Preference, val_preference
from fer_core.report.run.page import SHEET, PageContext, render_hard_sheet, render_page

__all__ = ["preference_of", "publish"]

_SHOWN = (
    "seed",
    "manifest",
    "sets",
    "preprocessing",
    "views",
    "init",
    "teacher",
    "teachers",
    "ensemble",
    "student",
    "evaluation",
    "deploy",
)


def preference_of(facts: RunFacts, params: Params) -> Preference:
    """What val rows say of the deployed student."""
    return val_preference(
        {key: model.evaluation for key, model in facts.each_student()},
        facts.scope.deployed,
        params.section("evaluation", EvaluationOptions),
        params.section("seed", int),
    )


def publish(
    folder: Path, facts: RunFacts, params: Params, data: Path, here: Here | None = None
) -> None:
    """Write both pages in one step.

    Args:
        folder: of the pages.
        facts: of the run.
        params: shown as they are.
        data: folder of the artifacts; its pack holds the faces.
        here: what surrounds the run. Without it the pages are the same on every machine and at
            every commit.
    """
    dev, test = (Pack.open(data / "pack" / half) for half in ("dev", "test"))
    shown = {name: params.section(name, Any) for name in _SHOWN}
    context = PageContext(shown, preference_of(facts, params), here)
    page = render_page(facts, dev, test, context)
    sheet = render_hard_sheet(facts, dev) if facts.hard_cases else None
    with new_folder(folder) as temporary:
        write_text(temporary / "index.html", page)
        if sheet is not None:
            write_text(temporary / SHEET, sheet)
