"""The report and the page of all hard rows, each one self-contained HTML file."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from fer_core.base.labels import CLASSES
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.boards.hard_cases import REASONS
from fer_core.evaluation.crossval.crossval import crossval_words
from fer_core.evaluation.elsewhere.words import cross_dataset_words
from fer_core.export.card.carried import by_class_words, carried_words
from fer_core.report.facts.change import changes
from fer_core.report.facts.collect import RunFacts
from fer_core.report.facts.doubt import DOUBTS, doubt_words, doubtful_methods
from fer_core.report.facts.here import Here
from fer_core.report.facts.preference import Preference
from fer_core.report.facts.tables import (
    OF_PREDICTIONS,
    hard_lines,
    leaderboard_lines,
    per_source_lines,
    students_lines,
)
from fer_core.report.facts.trust import trust_checks
from fer_core.report.run import drawings, limits
from fer_core.report.run.faces import HARD_TITLES, hard_by_class, hard_by_reason, mistakes, shared
from fer_core.report.templates.load import page_environment

__all__ = ["SHEET", "PageContext", "render_hard_sheet", "render_page"]

SHEET = "hard_cases.html"
"""Name of the page of all hard rows, beside the report."""
_TEMPLATES = page_environment(Path(__file__).parent)
_FACTS = ("commit", "python", "system", "processor", "cores", "threads", "processes", "device")
_PACKAGES = ("torch", "timm", "numpy", "pandas", "opencv-python-headless", "onnx")
_MADE_WITH = (*_FACTS, "cuda", "cudnn", *_PACKAGES, "onnxruntime-gpu", "onnxruntime", "dvc")

_TOLD = ("accuracy", "macro_f1", "nll", "ece")
"""Scores by which two entries of a board are known to be one."""


@dataclass(frozen=True)
class PageContext:
    """What surrounds a run and is no artifact of it.

    Attributes:
        params: sections of params.yaml, shown as they are.
        preference: what val rows say of the deployed student.
        here: machine and checkout; None leaves out all that depends on them.
    """

    params: Mapping[str, Any]
    preference: Preference
    here: Here | None


def render_page(facts: RunFacts, dev: Pack, test: Pack, context: PageContext) -> str:
    """The report; the same text for the same artifacts and context.

    Args:
        facts: everything that is shown.
        dev, test: the faces.
        context: what surrounds the run.
    """
    scope, name = facts.scope, facts.scope.compare_set
    f1, here = _class_f1(facts), context.here
    boards = _boards(facts)
    seeds = {(line["method"], line["metric"]): line for line in students_lines(facts, name)}
    calibration = facts.deployed.calibration
    return _TEMPLATES.get_template("page.html.j2").render(
        run=facts,
        name=name,
        key=scope.deployed,
        classes=CLASSES,
        checks=trust_checks(facts, context.preference),
        here=here,
        changes=changes(here.committed[1], facts) if here and here.committed else [],
        boards=boards,
        seeds=seeds,
        f1=f1,
        sources=_by_source(facts),
        left_out=_left_out(facts.validation),
        mistakes=mistakes(facts, test),
        shared_mistakes=shared(facts, test),
        limits=limits,
        hard=_hard_board(facts),
        hard_grids=hard_by_reason(facts, dev) if facts.hard_cases else [],
        sheet=SHEET,
        by_class=by_class_words(calibration),
        carried=carried_words(calibration, facts.deployed.reliability, name),
        latency=_latency(here.latency) if here else None,
        made_with=_made_with(facts, here.made_with) if here else None,
        params=yaml.safe_dump(dict(context.params), sort_keys=False, default_flow_style=None),
        draw=drawings,
        few=drawings.FEW,
        without=_without(facts.cross_dataset),
        doubts={one: doubt_words(facts, one) for one in facts.deployed.evaluation.sets},
        doubtful=doubtful_methods(facts, name),
        in_doubt=DOUBTS,
        crossval=crossval_words(facts.crossval) if facts.crossval is not None else None,
    )


def render_hard_sheet(facts: RunFacts, dev: Pack) -> str:
    """The page of every hard val row; the same text for the same artifacts."""
    return _TEMPLATES.get_template("hard.html.j2").render(
        cases=facts.hard_cases,
        titles={reason: HARD_TITLES[reason] for reason in REASONS},
        hard=_hard_board(facts),
        grids=hard_by_class(facts, dev),
    )


def _without(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What leaving data sets out shows, in words, and each data set's training or reason not to
    train; None where none was left out.
    """
    if found is None:
        return None
    trainings = found.get("trainings", {}).values()
    refused = {one["left_out"]: one for one in trainings if "reason" in one}
    same = {one["left_out"]: one["audit"]["same_faces"] for one in trainings if "audit" in one}
    return {
        "words": cross_dataset_words(found),
        "refused": refused,
        "same": {name: count for name, count in same.items() if count},
    }


def _class_f1(facts: RunFacts) -> dict[str, dict[str, float | None]]:
    """Model -> class -> F1 on the compared set: teachers, their ensemble, students."""
    name = facts.scope.compare_set
    of_models = {
        key: model.evaluation.metrics[name]["per_class_f1"] for key, model in facts.models.items()
    }
    order = list(facts.scope.students)
    if facts.ensemble is not None:
        of_models["ensemble"] = facts.board_row("ensemble", True)["per_class_f1"]
        order = [*facts.scope.teachers, "ensemble", *order]
    return {key: of_models[key] for key in order}


def _boards(facts: RunFacts) -> dict[str, dict[str, Any]]:
    """Set -> its lines, and of each entry the lines before and after calibration; an entry that is
    another's, such as the best single teacher, stands in its row (`same`).
    """
    frame = pd.DataFrame({"line": leaderboard_lines(facts)})
    boards: dict[str, dict[str, Any]] = {}
    for line in frame["line"]:
        board = boards.setdefault(line["set"], {"lines": [], "entries": {}})
        board["lines"].append(line)
        board["entries"].setdefault(line["entry"], {})[line["calibrated"]] = line
    for board in boards.values():
        alike: dict[tuple[float, ...], list[str]] = {}
        for entry, stages in board["entries"].items():
            line = stages.get(True) or stages[False]
            alike.setdefault(tuple(line[name] for name in _TOLD), []).append(entry)
        chosen = {line["entry"] for line in board["lines"] if line["chosen"]}
        groups = [sorted(names, key=lambda name: name not in chosen) for names in alike.values()]
        board["same"] = {names[0]: names[1:] for names in groups}
        board["entries"] = {first: board["entries"][first] for first in board["same"]}
        board["lines"] = [line for line in board["lines"] if line["entry"] in board["same"]]
    return boards


def _by_source(facts: RunFacts) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Model -> data set -> F1 and faces of each class."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for line in per_source_lines(facts):
        found.setdefault(line["model"], {}).setdefault(line["source"], []).append(line)
    return found


def _left_out(validation: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Why faces were dropped and entries excluded, and how many."""
    excluded: Counter[str] = Counter()
    for found in validation["exclusions"].values():
        excluded.update(found)
    dropped = validation["dropped"]["by_reason"]
    return [
        *((f"dropped: {why.replace('_', ' ')}", n) for why, n in sorted(dropped.items())),
        *((f"excluded: {why}", n) for why, n in sorted(excluded.items())),
    ]


def _hard_board(facts: RunFacts) -> dict[str, Any] | None:
    """Model -> its scores on the hard rows and on all, best on the hard ones first; None without
    teachers, who say what is hard.
    """
    if (cases := facts.hard_cases) is None:
        return None
    models: dict[str, dict[str, Any]] = {}
    for line in hard_lines(facts):
        models.setdefault(line["model"], {})[line["rows_of"]] = line
    best = sorted(models.items(), key=lambda item: -item[1]["hard"]["macro_f1"])
    return {"models": dict(best), "scores": OF_PREDICTIONS} | {
        part: cases[part] for part in ("hard_rows", "val_rows")
    }


def _latency(timed: pd.DataFrame) -> dict[str, Any]:
    """The smallest batch and the larger ones, in the order of scope, batch and threads; the search
    for faces; and the file that comes from a photo to its answer soonest, for each thread count.
    """
    keys = ["scope", "batch", "threads"]
    search = timed[timed["scope"] == "photo"].sort_values("threads")
    whole = timed[(timed["scope"] == "whole") & (timed["model"] != "reference")]
    fastest = whole.sort_values("p50_ms").drop_duplicates("threads").sort_values("threads")
    timed = timed[~timed["scope"].isin(["photo", "whole"])].sort_values(
        keys, ascending=[False, True, True], kind="stable"
    )
    least = timed["batch"].min()
    small, large = timed[timed["batch"] == least], timed[timed["batch"] > least]
    spans = {}
    for column in ("calls", "rounds"):
        low, high = timed[column].min(), timed[column].max()
        spans[column] = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return {
        "first": timed.iloc[0].to_dict(),
        "pinned": bool(timed["pinned"].all()),
        "several": timed["provider"].nunique() > 1,
        "small": small.to_dict("records"),
        "large": large.to_dict("records"),
        "search": search.to_dict("records"),
        "whole": fastest.to_dict("records"),
        "sizes": ", ".join(map(str, sorted(large["batch"].unique()))),
        "chart": drawings.latency_chart(small),
        **spans,
    }


def _made_with(facts: RunFacts, this: Mapping[str, Any]) -> dict[str, Any]:
    """Machine and packages of the deployed student's training, of this page, and of every
    training.
    """
    training, page = _flat(facts.deployed.surroundings), _flat(this)
    known = [name for name in _MADE_WITH if name in training or name in page]
    return {
        "both": [(name, training.get(name, "–"), page.get(name, "–")) for name in known],
        "each": {key: _flat(model.surroundings) for key, model in facts.models.items()},
    }


def _flat(surroundings: Mapping[str, Any]) -> dict[str, Any]:
    """Facts and package versions side by side, what is not known left out."""
    values = {**surroundings, **surroundings.get("packages", {})}
    return {name: value for name, value in values.items() if value is not None}
