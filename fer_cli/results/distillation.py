"""A page for one question: which training method makes the better student, and how sure is that?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_cli.results.goals import goals
from fer_cli.results.tables import (
    compare_sets,
    data_line,
    markdown_table,
    method_table,
    provenance,
    read_metrics,
    unfinished_words,
)
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json
from fer_core.base.labels import CLASSES
from fer_core.base.params import read_params

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["distillation_page"]

_COMPARISON = Path("metrics/comparison.csv")
_SUMMARY = Path("metrics/summary.json")
_SCORES = ("val_macro_f1", "val_accuracy", "val_nll")
_WORDS = ("settings", "")


def distillation_page(title: str, trials: Path | None) -> str:
    """Protocol, goals, tuning, methods over seeds, paired differences, F1 of each class and every
    run, as Markdown.

    Args:
        title: heading.
        trials: table written by `fer tune show --out`, or None.

    Raises:
        ArtifactError: a metrics file or the table of trials is missing.
    """
    params = read_params()
    student, summary = params["student"], read_json(_SUMMARY)
    runs = {
        method: [f"{method}-{seed}" for seed in student["seeds"]] for method in student["methods"]
    }
    measured = {
        key: read_json(Path("data/evaluation") / key / "metrics.json")
        for keys in runs.values()
        for key in keys
    }
    names, pairs = compare_sets(params), read_metrics(_COMPARISON)
    name = names[0]
    parts = [f"# {title}", provenance(), data_line(summary["data"])]
    parts += ["## Protocol", _protocol(student, measured), "## Goals"]
    parts += [
        goals(
            runs,
            {method: _val(keys, measured, "macro_f1") for method, keys in runs.items()},
            pairs,
            one,
        )
        for one in names
    ]
    if trials is not None:
        parts += [
            "## Tuning",
            "Scores on val rows; the best trial of each method gave the settings above.",
            _trials(trials),
        ]
    parts += [
        "## Methods on val rows",
        _on_val(runs, measured),
        unfinished_words(params) or "All val curves are flat at the end.",
    ]
    for one in names:
        of_set = pairs[pairs["set"] == one]
        words = "\n".join(f"- {verdict}" for verdict in of_set["verdict"])
        parts += [
            f"## Paired differences on {one}",
            _differences(of_set.dropna(subset=["delta_macro_f1"])),
            words,
        ]
    for one, rows in summary["data"]["rows_of_set"].items():
        parts += [
            f"## Methods on {one} ({rows:,} rows)",
            method_table(one),
            "F1 of each class, mean over seeds:",
            _by_class(runs, measured, one),
        ]
    parts += [f"## Every run on {name}", _every_run(runs, measured, summary[name], name)]
    parts.append(
        "Written by `fer results --distillation`. The selected epoch and all settings come from "
        "val rows, temperatures from calib rows; "
        "test rows chose nothing. NLL and ECE over seeds are those after temperature scaling."
    )
    return "\n\n".join(parts) + "\n"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _protocol(student: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    budgets = [run["budget"] for run in measured.values()]
    first = budgets[0]
    same = all({**budget, "tuned": None} == {**first, "tuned": None} for budget in budgets)
    lines = [
        f"- student: `{student['arch']}`, initial weights `{first['init_sha256'][:16]}`, seeds "
        f"{', '.join(map(str, student['seeds']))}",
        f"- schedule: {', '.join(f'{key} {value}' for key, value in first['schedule'].items())}",
        f"- {first['optimiser_steps']:,} optimiser steps on {first['train_rows']:,} rows; "
        + (
            "weights, rows, views, schedule and steps are those of every run"
            if same
            else "**the runs' budgets differ**"
        ),
    ]
    rates = {run["key"].rpartition("-")[0]: run["budget"]["tuned"] for run in measured.values()}
    for method in student["methods"]:
        settings = rates[method] | student.get(method, {})
        lines.append(
            f"- {method}: {', '.join(f'{key} {value}' for key, value in settings.items())}"
        )
    return "\n".join(lines)


def _trials(path: Path) -> str:
    table = read_metrics(path)
    if missing := {"method", "settings", "best", *_SCORES} - set(table.columns):
        raise ArtifactError(
            "This is no table of trials.",
            where=path,
            found=f"no {', '.join(sorted(missing))}",
            remedy="fer tune show --out",
        )
    rows = [
        [
            row["method"],
            row["settings"],
            *(f"{row[score]:.3f}" for score in _SCORES),
            "best" if row["best"] else "",
        ]
        for row in table.to_dict("records")
    ]
    return markdown_table(["method", "settings", "macro-F1", "accuracy", "NLL", ""], rows, _WORDS)


def _val(keys: Sequence[str], measured: Mapping[str, Any], metric: str) -> float:
    return _mean([measured[key]["sets"]["val"]["metrics"][metric]["value"] for key in keys])


def _on_val(runs: Mapping[str, Sequence[str]], measured: Mapping[str, Any]) -> str:
    rows = [
        [method, *(f"{_val(keys, measured, one):.3f}" for one in ("accuracy", "macro_f1", "nll"))]
        for method, keys in runs.items()
    ]
    return markdown_table(["method", "accuracy", "macro-F1", "NLL"], rows)


def _differences(pairs: "pd.DataFrame") -> str:
    rows = []
    for pair in pairs.to_dict("records"):
        cells = [
            f"{pair[delta]:+.4f} ({pair[f'{delta}_low']:+.4f} to {pair[f'{delta}_high']:+.4f})"
            for delta in ("delta_macro_f1", "delta_accuracy", "delta_nll", "delta_nll_scaled")
        ]
        low, high = (pair[f"delta_macro_f1_seeds_{end}"] for end in ("low", "high"))
        wider = "–" if low != low else f"{low:+.4f} to {high:+.4f}"
        tests = [f"{pair['mcnemar_p']:.3g}", f"{pair['holm_p']:.3g}", f"{pair['n_disagree']:.0f}"]
        rows.append([f"{pair['a']} less {pair['b']}", cells[0], wider, *cells[1:], *tests])
    head = [
        "pair",
        "ΔF1 (95 % CI)",
        "over seeds too",
        "Δaccuracy (95 % CI)",
        "ΔNLL raw (95 % CI)",
        "ΔNLL scaled (95 % CI)",
    ]
    return markdown_table([*head, "McNemar p", "after Holm", "rows that disagree"], rows)


def _by_class(runs: Mapping[str, Sequence[str]], measured: Mapping[str, Any], name: str) -> str:
    """F1 of each class; a class that the set has no row of has none."""
    rows = []
    for method, keys in runs.items():
        f1 = [measured[key]["sets"][name]["per_class_f1"] for key in keys]
        rows.append(
            [
                method,
                *(
                    f"{_mean([one[label] for one in f1]):.3f}" if f1[0][label] is not None else "–"
                    for label in CLASSES
                ),
            ]
        )
    return markdown_table(["method", *CLASSES], rows)


def _every_run(
    runs: Mapping[str, Sequence[str]],
    measured: Mapping[str, Any],
    scores: Mapping[str, Any],
    name: str,
) -> str:
    rows = []
    for key in (key for keys in runs.values() for key in keys):
        metrics = measured[key]["sets"][name]["metrics"]
        f1, accuracy = (
            f"{metrics[metric]['value']:.3f} "
            f"({metrics[metric]['low']:.3f}–{metrics[metric]['high']:.3f})"
            for metric in ("macro_f1", "accuracy")
        )
        val = measured[key]["sets"]["val"]["metrics"]["macro_f1"]["value"]
        after = [
            f"{scores[key][score]:.3f}"
            for score in ("nll_nats", "nll_scaled_nats", "ece", "ece_scaled", "temperature")
        ]
        rows.append([key, f"{val:.3f}", accuracy, f1, *after])
    return markdown_table(
        [
            "run",
            "val macro-F1",
            "accuracy (95 % CI)",
            "macro-F1 (95 % CI)",
            "NLL",
            "NLL scaled",
            "ECE",
            "ECE scaled",
            "T",
        ],
        rows,
    )
