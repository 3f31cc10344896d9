"""The comparison as an artifact: `comparison.json`, `comparison.csv` and, in words,
`comparison.md`. The words are in `comparison.md.j2` and `verdict.j2`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from fer_core.base.artifact import Header, new_artifact, open_artifact
from fer_core.base.files import read_json, write_json, write_text
from fer_core.evaluation.comparison.pairs import DIFFERENCES, MethodPair, Refusal
from fer_core.evaluation.metrics.record import Evaluation

__all__ = ["comparison_frame", "read_comparison", "run_summary", "verdict", "write_comparison"]

_KIND = "comparison/4"
_TESTS = {
    "accuracy_p": "p",
    "accuracy_p_holm": "holm_p",
    "macro_f1_p": "macro_f1_p",
    "macro_f1_p_holm": "macro_f1_holm_p",
}
"""Key in the artifact and field of the pair."""
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
    pairs: Sequence[MethodPair],
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
        words = _template("comparison.md.j2").render(**values, shown=_SHOWN)
        write_text(temporary / "comparison.md", words + "\n")


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
        accuracy_p and macro_f1_p, each with `_holm`; shown, n_disagree, n, clusters, rising
        (methods whose val curve still rose when training ended), verdict.
    """
    names = [f"delta_{name}" for name in DIFFERENCES]
    plain = [*_TESTS, "shown", "n_disagree", "n", "clusters", "rising", "verdict"]
    ends = ("", "_low", "_high", "_seeds_low", "_seeds_high", "_by_seed")
    lines = []
    for pair in values["pairs"]:
        line = {name: pair[name] for name in ("set", "a", "b", *plain)}
        line["rising"] = ", ".join(pair["rising"])
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


def _plain(pair: MethodPair) -> dict[str, Any]:
    values: dict[str, Any] = {"set": pair.set_name, "a": pair.a, "b": pair.b}
    for name, found in pair.differences.items():
        values[f"delta_{name}"] = found.over_rows.to_dict()
        values[f"delta_{name}_over_seeds"] = (
            found.over_seeds.to_dict() if found.over_seeds else None
        )
    values |= {
        **{name: float(f"{getattr(pair, field):.6g}") for name, field in _TESTS.items()},
        "shown": pair.shown,
        "n_disagree": round(sum(seed.disagree for seed in pair.seeds) / len(pair.seeds), 1),
        "n": pair.n,
        "clusters": pair.clusters,
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
                "accuracy_p": float(f"{s.p:.6g}"),
            }
            for i, s in enumerate(pair.seeds)
        ],
        "rising": list(pair.rising),
        "verdict": verdict(pair),
    }
    return values | ({"unequal_budgets": list(pair.unequal)} if pair.unequal else {})


def verdict(pair: MethodPair) -> str:
    """What the numbers of a pair show and what they do not, one sentence after the other."""
    return " ".join(_template("verdict.j2").render(pair=pair).split())


def _template(name: str) -> Template:
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=folder, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)
