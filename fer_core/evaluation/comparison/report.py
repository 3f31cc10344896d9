"""The comparison as an artifact: `comparison.json`, `comparison.csv` and, in words,
`comparison.md`; and what the numbers of two methods mean, in words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fer_core.base.artifact import Header, new_artifact, open_artifact
from fer_core.base.files import read_json, write_json, write_text
from fer_core.evaluation.comparison.comparison import DIFFERENCES, Difference, Pair, Refusal
from fer_core.evaluation.metrics.bootstrap import Interval
from fer_core.evaluation.metrics.record import Evaluation

__all__ = ["comparison_frame", "read_comparison", "run_summary", "verdict", "write_comparison"]

_KIND = "comparison/3"
_SHOWN = {
    "accuracy": ("metrics", "accuracy"),
    "macro_f1": ("metrics", "macro_f1"),
    "minority_f1": ("metrics", "minority_f1"),
    "nll, raw": ("metrics", "nll"),
    "nll, scaled": ("scaled", "nll"),
    "ece, raw": ("metrics", "ece"),
    "ece, scaled": ("scaled", "ece"),
}
"""Column of the table of runs -> where its value is in a run's summary."""
_ALPHA = 0.05


def run_summary(run: Evaluation, reliability: Mapping[str, Any], set_name: str) -> dict[str, Any]:
    """Key, kind, learning rate, rows and metrics with intervals of one run on the set, for
    information.

    Args:
        run: the evaluation.
        reliability: of the run's calibration, for the metrics after temperature scaling.
        set_name: the named test set.
    """
    measured, lr = run.metrics[set_name], run.budget.get("tuned", {}).get("lr")
    scaled = reliability[set_name]["temperature_scaled"]["metrics"]
    about = {"key": run.key, "kind": run.kind, "lr": lr, "rows_used": measured["rows_used"]}
    return about | {"metrics": measured["metrics"], "scaled": scaled}


def write_comparison(
    folder: Path,
    set_names: Sequence[str],
    pairs: Sequence[Pair],
    refused: Sequence[Refusal],
    runs: Sequence[dict[str, Any]],
) -> None:
    """Write the folder in one step.

    Args:
        folder: the out.
        set_names: the test sets, the main one first.
        pairs: compared.
        refused: not compared, with reasons.
        runs: of `run_summary` on the main set, students and teachers.
    """
    values = {
        "set": set_names[0],
        "sets": list(set_names),
        "pairs": [_plain(pair) for pair in pairs],
        "refused": [
            {"a": refusal.a, "b": refusal.b, "reasons": list(refusal.reasons)}
            for refusal in refused
        ],
        "runs": list(runs),
    }
    with new_artifact(folder, Header(_KIND)) as temporary:
        write_json(temporary / "comparison.json", values)
        write_text(
            temporary / "comparison.csv",
            comparison_frame(values).to_csv(index=False, lineterminator="\n"),
        )
        write_text(temporary / "comparison.md", _words(values))


def read_comparison(folder: Path) -> dict[str, Any]:
    """Read `comparison.json`: set, sets, pairs, refused, runs.

    Raises:
        ArtifactError: missing, damaged or of another version.
    """
    open_artifact(folder, _KIND)
    values: dict[str, Any] = read_json(folder / "comparison.json")
    return values


def comparison_frame(values: Mapping[str, Any]) -> pd.DataFrame:
    """One line a pair of methods and set; refused pairs have only words.

    Args:
        values: of `read_comparison`.

    Returns:
        set, a, b; of each difference its value, `_low` and `_high` (95 % interval over test rows),
        `_seeds_low` and `_seeds_high` (over seeds too; empty for one seed) and `_by_seed`;
        mcnemar_p, holm_p, n_disagree, n, pictures, verdict.
    """
    names = [f"delta_{name}" for name in DIFFERENCES]
    plain = ["mcnemar_p", "holm_p", "n_disagree", "n", "pictures", "verdict"]
    ends = ("", "_low", "_high", "_seeds_low", "_seeds_high", "_by_seed")
    lines = []
    for pair in values["pairs"]:
        line = {name: pair[name] for name in ("set", "a", "b", *plain)}
        for name in names:
            wider = pair[f"{name}_over_seeds"] or {}
            line |= {
                name: pair[name]["value"],
                f"{name}_low": pair[name]["low"],
                f"{name}_high": pair[name]["high"],
            }
            line |= {f"{name}_seeds_low": wider.get("low"), f"{name}_seeds_high": wider.get("high")}
            line[f"{name}_by_seed"] = " ".join(f"{seed[name]:g}" for seed in pair["seeds"])
        lines.append(line)
    lines += [
        {
            "set": values["set"],
            "a": refused["a"],
            "b": refused["b"],
            "verdict": f"not compared: {'; '.join(refused['reasons'])}",
        }
        for refused in values["refused"]
    ]
    columns = ["set", "a", "b", *(f"{name}{end}" for name in names for end in ends), *plain]
    return pd.DataFrame(lines, columns=columns)


def _plain(pair: Pair) -> dict[str, Any]:
    values: dict[str, Any] = {"set": pair.set_name, "a": pair.a, "b": pair.b}
    for name, found in pair.differences.items():
        values[f"delta_{name}"] = found.over_rows.to_dict()
        values[f"delta_{name}_over_seeds"] = (
            found.over_seeds.to_dict() if found.over_seeds else None
        )
    values |= {
        "mcnemar_p": float(f"{pair.p:.6g}"),
        "holm_p": float(f"{pair.holm_p:.6g}"),
        "n_disagree": round(sum(seed.disagree for seed in pair.seeds) / len(pair.seeds), 1),
        "n": pair.n,
        "pictures": pair.pictures,
        "trials": {pair.a: pair.trials[0], pair.b: pair.trials[1]} if pair.trials else None,
        "seeds": [
            {
                "seed": s.seed,
                **{
                    f"delta_{name}": round(found.by_seed[i], 6)
                    for name, found in pair.differences.items()
                },
                "only_a_right": s.only_a,
                "only_b_right": s.only_b,
                "n_disagree": s.disagree,
                "mcnemar_p": float(f"{s.p:.6g}"),
            }
            for i, s in enumerate(pair.seeds)
        ],
        "verdict": verdict(pair),
    }
    return values | ({"unequal_budgets": list(pair.unequal)} if pair.unequal else {})


def _words(values: Mapping[str, Any]) -> str:
    pairs, refused = values["pairs"], values["refused"]
    lines = [f"# Comparison on {', '.join(values['sets'])}", ""]
    lines += [f"- {pair['verdict']}" for pair in pairs] or ["No two methods were compared."]
    if refused:
        lines += [
            "",
            "## Refused",
            "",
            "These pairs did not get the same budget, so a difference would not be the method's:",
            "",
        ]
        lines += [
            f"- {refusal['a']} and {refusal['b']}: {'; '.join(refusal['reasons'])}"
            for refusal in refused
        ]
    lines += ["", f"## Runs on {values['set']}", ""]
    lines += [
        "| run | kind | lr | rows | " + " | ".join(_SHOWN) + " |",
        "|---|---|---:|---:|" + "---:|" * len(_SHOWN),
    ]
    for run in values["runs"]:
        found = [run[part][name] for part, name in _SHOWN.values()]
        cells = [f"{one['value']:.4f} ({one['low']:.4f} to {one['high']:.4f})" for one in found]
        lines.append(
            f"| {run['key']} | {run['kind']} | {run['lr'] or '–'} | {run['rows_used']:,} | "
            + " | ".join(cells)
            + " |"
        )
    lines += [
        "",
        "Values with 95 % confidence intervals (bootstrap over test pictures); scaled: after "
        "temperature scaling. Teachers are listed for "
        "information only.",
        "",
    ]
    return "\n".join(lines)


def verdict(pair: Pair) -> str:
    """What the numbers of a pair show and what they do not, one sentence after the other."""
    f1 = pair.differences["macro_f1"]
    parts = [
        f"On {pair.set_name}, {_macro_f1(pair)} ({_signed(f1.over_rows)}){_further_seeds(f1)}.",
        _nll(pair),
        _accuracy(pair),
    ]
    parts.append(f"n = {_rows(pair)}; {_seeds(len(pair.seeds))}.")
    if pair.family > 1:
        parts.append(
            f"The intervals are not adjusted for the {pair.family} comparisons made; Holm's p is."
        )
    parts.append(_trials(pair))
    if pair.rising:
        parts.append(
            f"Val macro-F1 still rose when training ended: {', '.join(pair.rising)}; with more "
            "epochs the order may change."
        )
    if pair.unequal:
        parts.append(
            f"Their budgets differ ({', '.join(pair.unequal)}), so what is shown is not the "
            "method's alone."
        )
    return " ".join(parts)


def _macro_f1(pair: Pair) -> str:
    found = pair.differences["macro_f1"].over_rows
    if not _shown(found):
        return f"no difference in macro-F1 between {pair.a} and {pair.b} is shown"
    return f"{pair.a} has a {'higher' if found.value > 0 else 'lower'} macro-F1 than {pair.b}"


def _further_seeds(found: Difference) -> str:
    """Whether what these seeds show would hold for others."""
    wider = found.over_seeds
    if wider is None:
        return ""
    each = ", ".join(f"{value:+.4f}" for value in found.by_seed)
    interval = f"seed by seed {each}; 95 % CI over seeds too {wider.low:+.4f} to {wider.high:+.4f}"
    if not _shown(found.over_rows):
        return f"; {interval}"
    return (
        f", and this holds beyond these seeds ({interval})"
        if _shown(wider)
        else f", but only with these seeds ({interval})"
    )


def _nll(pair: Pair) -> str:
    parts = []
    for name, words in (("nll", "Its NLL"), ("nll_scaled", "after temperature scaling it")):
        found = pair.differences[name].over_rows
        if _shown(found):
            moved = f"is {'higher (worse)' if found.value > 0 else 'lower (better)'}"
            parts.append(f"{words} {moved} ({_signed(found)})")
        else:
            parts.append(
                f"{'No difference in NLL' if name == 'nll' else 'after temperature scaling none'} "
                f"is shown ({_signed(found)})"
            )
    return f"{'; '.join(parts)}."


def _accuracy(pair: Pair) -> str:
    found = pair.differences["accuracy"].over_rows
    tested = f"McNemar p = {pair.p:.3g}, {pair.holm_p:.3g} after Holm"
    if pair.holm_p >= _ALPHA:
        return f"The accuracies are not shown to differ ({_signed(found)}; {tested})."
    return (
        f"The accuracies differ: {pair.a}'s is {'higher' if found.value > 0 else 'lower'} "
        f"({_signed(found)}; {tested})."
    )


def _rows(pair: Pair) -> str:
    if pair.pictures == pair.n:
        return f"{pair.n:,} rows"
    return (
        f"{pair.n:,} rows of {pair.pictures:,} pictures, which intervals and McNemar's test take "
        "as wholes"
    )


def _seeds(count: int) -> str:
    return (
        "one seed: other seeds may say otherwise"
        if count == 1
        else f"mean of {count} seeds; the first intervals are over test rows only"
    )


def _trials(pair: Pair) -> str:
    if pair.trials is None:
        return "How many settings of each were tried is not recorded."
    of_a, of_b = pair.trials
    return f"Settings tried on val rows: {of_a} of {pair.a}, {of_b} of {pair.b}."


def _shown(interval: Interval) -> bool:
    return interval.low > 0 or interval.high < 0


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.4f}, 95 % CI {interval.low:+.4f} to {interval.high:+.4f}"
