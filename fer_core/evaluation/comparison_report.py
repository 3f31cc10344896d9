"""The comparison as an artifact: `comparison.json`, `comparison.csv` and, in words, `comparison.md`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fer_core.errors import ArtifactError
from fer_core.evaluation.comparison import Pair, Refusal, verdict
from fer_core.evaluation.record import Evaluation
from fer_core.files import new_folder, read_json, write_json, write_text

__all__ = ["read_comparison", "run_summary", "write_comparison"]

_SCHEMA = 1
_SHOWN = ("accuracy", "macro_f1", "minority_f1", "nll", "ece")


@dataclass(frozen=True)
class _Files:
    values: dict[str, Any]
    table: pd.DataFrame
    text: str


def run_summary(run: Evaluation, set_name: str) -> dict[str, Any]:
    """Key, kind, learning rate, rows and metrics with intervals of one run on the set, for information."""
    measured, lr = run.metrics[set_name], run.budget.get("tuned", {}).get("lr")
    return {"key": run.key, "kind": run.kind, "lr": lr, "rows_used": measured["rows_used"], "metrics": measured["metrics"]}


def write_comparison(
    folder: Path, set_name: str, pairs: Sequence[Pair], refused: Sequence[Refusal], runs: Sequence[dict[str, Any]]
) -> None:
    """Write the folder in one step.

    Args:
        folder: the out.
        set_name: the test set.
        pairs: compared.
        refused: not compared, with reasons.
        runs: of `run_summary`, students and teachers.
    """
    files = _render(set_name, pairs, refused, runs)
    with new_folder(folder) as temporary:
        write_json(temporary / "comparison.json", files.values)
        write_text(temporary / "comparison.csv", files.table.to_csv(index=False, lineterminator="\n"))
        write_text(temporary / "comparison.md", files.text)


def read_comparison(folder: Path) -> dict[str, Any]:
    """Read `comparison.json`: set, pairs, refused, runs.

    Raises:
        ArtifactError: missing, damaged or of another version.
    """
    values = read_json(folder / "comparison.json")
    if not isinstance(values, dict) or values.get("schema") != _SCHEMA:
        raise ArtifactError("This comparison is of another version.", where=folder, expected=_SCHEMA)
    return values


def _render(set_name: str, pairs: Sequence[Pair], refused: Sequence[Refusal], runs: Sequence[dict[str, Any]]) -> _Files:
    plain = [_plain(pair, set_name) for pair in pairs]
    values = {
        "schema": _SCHEMA,
        "set": set_name,
        "pairs": plain,
        "refused": [{"a": refusal.a, "b": refusal.b, "reasons": list(refusal.reasons)} for refusal in refused],
        "runs": list(runs),
    }
    lines = []
    for pair in plain:
        line = {"set": set_name, "a": pair["a"], "b": pair["b"]}
        for name in ("delta_macro_f1", "delta_nll"):
            line |= {name: pair[name]["value"], f"{name}_low": pair[name]["low"], f"{name}_high": pair[name]["high"]}
        lines.append(line | {name: pair[name] for name in ("mcnemar_p", "holm_p", "n_disagree", "n")})
    columns = ["set", "a", "b", *(f"{name}{end}" for name in ("delta_macro_f1", "delta_nll") for end in ("", "_low", "_high"))]
    table = pd.DataFrame(lines, columns=[*columns, "mcnemar_p", "holm_p", "n_disagree", "n"])
    return _Files(values, table, _words(set_name, plain, refused, runs))


def _plain(pair: Pair, set_name: str) -> dict[str, Any]:
    return {
        "a": pair.a,
        "b": pair.b,
        "delta_macro_f1": pair.macro_f1.to_dict(),
        "delta_nll": pair.nll.to_dict(),
        "mcnemar_p": float(f"{pair.p:.6g}"),
        "holm_p": float(f"{pair.holm_p:.6g}"),
        "n_disagree": round(sum(seed.disagree for seed in pair.seeds) / len(pair.seeds), 1),
        "n": pair.n,
        "seeds": [
            {"seed": s.seed, "only_a_right": s.only_a, "only_b_right": s.only_b, "n_disagree": s.disagree, "mcnemar_p": float(f"{s.p:.6g}")}
            for s in pair.seeds
        ],
        "verdict": verdict(pair, set_name),
    } | ({"unequal_budgets": list(pair.unequal)} if pair.unequal else {})


def _words(set_name: str, pairs: Sequence[dict[str, Any]], refused: Sequence[Refusal], runs: Sequence[dict[str, Any]]) -> str:
    lines = [f"# Comparison on {set_name}", ""]
    lines += [f"- {pair['verdict']}" for pair in pairs] or ["No two methods were compared."]
    if refused:
        lines += ["", "## Refused", "", "These pairs did not get the same budget, so a difference would not be the method's:", ""]
        lines += [f"- {refusal.a} and {refusal.b}: {'; '.join(refusal.reasons)}" for refusal in refused]
    lines += ["", "## Runs", "", "| run | kind | lr | rows | " + " | ".join(_SHOWN) + " |", "|---|---|---:|---:|" + "---:|" * len(_SHOWN)]
    for run in runs:
        cells = [
            f"{run['metrics'][name]['value']:.4f} ({run['metrics'][name]['low']:.4f} to {run['metrics'][name]['high']:.4f})"
            for name in _SHOWN
        ]
        lines.append(f"| {run['key']} | {run['kind']} | {run['lr'] or '–'} | {run['rows_used']:,} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Values with 95 % confidence intervals (bootstrap over test rows). Teachers are listed for information only.",
        "",
    ]
    return "\n".join(lines)
