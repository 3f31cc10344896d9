"""What pages of results share: tables of models and methods, and where the figures come from."""

import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, sha256_file
from fer_core.base.params import PARAMS_FILE

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "compare_sets",
    "data_line",
    "markdown_table",
    "method_table",
    "model_table",
    "provenance",
    "read_metrics",
    "unfinished_words",
]

_LEADERBOARD = Path("metrics/leaderboard.csv")
_STUDENTS = Path("metrics/resultssummarystudents.csv")
_HISTORY = Path("plots/history_students.csv")
_REMEDY = "run `fer run` first"


def read_metrics(path: Path) -> "pd.DataFrame":
    """A CSV file under `metrics/` or `plots/`.

    Raises:
        ArtifactError: it is missing.
    """
    import pandas as pd  # every `fer` command would wait for it

    try:
        return pd.read_csv(path)
    except FileNotFoundError as error:
        raise ArtifactError("A metrics file is missing.", where=path, remedy=_REMEDY) from error


def compare_sets(params: dict[str, Any]) -> list[str]:
    """The sets of `evaluation.compare_set`, the main one first."""
    chosen = params["evaluation"]["compare_set"]
    return [chosen] if isinstance(chosen, str) else list(chosen)


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], words: Collection[str] = ()
) -> str:
    """A Markdown table whose columns are aligned to the right, but for the first one and those
    named by `words`.
    """
    rule = "|---|" + "".join("---|" if name in words else "---:|" for name in head[1:])
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])


def model_table(set_name: str) -> str:
    """Markdown table of every model on a named test set, best macro-F1 first; probabilities are the
    calibrated ones.

    Raises:
        ArtifactError: there is no leaderboard, or it does not hold the set.
    """
    board = read_metrics(_LEADERBOARD)
    rows = board[(board["set"] == set_name) & board["calibrated"]].sort_values(
        "macro_f1", ascending=False, kind="stable"
    )
    if rows.empty:
        raise ArtifactError(
            "The leaderboard does not hold this set.",
            where=_LEADERBOARD,
            found=set_name,
            remedy=_REMEDY,
        )
    lines = [
        "| model | kind | accuracy | macro-F1 (95 % CI) | NLL | ECE |",
        "|---|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.entry} | {row.kind} | {row.accuracy:.3f} | {row.macro_f1:.3f} "
        f"({row.macro_f1_low:.3f}–{row.macro_f1_high:.3f}) "
        f"| {row.nll:.3f} | {row.ece:.3f} |"
        for row in rows.itertuples()
    ]
    return "\n".join(lines)


def method_table(set_name: str) -> str:
    """Markdown table of each method on a named test set: mean over seeds and standard deviation
    between them.

    Raises:
        ArtifactError: there is no summary of students, or it does not hold the set.
    """
    table = read_metrics(_STUDENTS)
    table = table[table["set"] == set_name]
    if table.empty:
        raise ArtifactError(
            "The summary of students does not hold this set.",
            where=_STUDENTS,
            found=set_name,
            remedy=_REMEDY,
        )
    shown = {
        "accuracy": "accuracy",
        "macro_f1": "macro-F1",
        "minority_f1": "minority-F1",
        "nll_scaled_nats": "NLL",
        "ece_scaled": "ECE",
    }
    lines = [
        f"| method | seeds | {' | '.join(shown.values())} |",
        f"|---|---:|{'---:|' * len(shown)}",
    ]
    for method in table["method"].unique():
        rows = table[table["method"] == method].set_index("metric")
        cells = [
            f"{rows.at[name, 'mean']:.3f}"
            + (f" ± {sd:.3f}" if (sd := rows.at[name, "sd"]) == sd else "")
            for name in shown
        ]
        lines.append(f"| {method} | {rows['seeds'].iloc[0]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def provenance() -> str:
    """Lines that name code, parameters, data and machine."""
    log = ["git", "log", "-1", "--format=%H", "--", "fer_core", "stages"]
    commit = (
        subprocess.run(log, capture_output=True, text=True, check=False).stdout.strip()
        or "no git commit"
    )
    profile = next(
        (
            f"profile `{path.stem}`"
            for path in sorted(Path("profiles").glob("*.yaml"))
            if _same(path, PARAMS_FILE)
        ),
        "no profile",
    )
    lines = [
        f"- code: commit `{commit}`; parameters: {profile}, sha256 "
        f"`{sha256_file(PARAMS_FILE)[:16]}`",
        "- data: manifest sha256 "
        f"`{read_json(Path('data/validation.json'))['manifest_sha256'][:16]}`",
    ]
    environment = next(iter(sorted(Path("data/students").glob("*/record/environment.json"))), None)
    if environment is not None:
        facts = read_json(environment)
        versions = ", ".join(f"{name} {facts['packages'][name]}" for name in ("torch", "timm"))
        machine = f"{facts['device']} ({facts['processor']}, {facts['cores']} cores), threads: {facts['threads']}"
        lines.append(f"- students trained on {machine}, {versions}")
    return "\n".join(lines)


def unfinished_words(params: dict[str, Any]) -> str | None:
    """Whether a method still gained when its training ended, by the curves of its seeds."""
    from fer_core.evaluation.comparison.convergence import unfinished

    curves = dict(list(read_metrics(_HISTORY).groupby("model")))
    student = params["student"]
    return unfinished(
        {
            method: [curves[f"{method}-{seed}"] for seed in student["seeds"]]
            for method in student["methods"]
        }
    )


def _same(a: Path, b: Path) -> bool:
    return sha256_file(a) == sha256_file(b)


def data_line(data: dict[str, Any]) -> str:
    """Rows of each split and those left out, from `metrics/summary.json`."""
    kept = ", ".join(
        f"{data[f'rows_{split}']:,} {split}" for split in ("train", "val", "calib", "test")
    )
    dropped = ", ".join(
        f"{count:,} {reason}" for reason, count in data["rows_dropped_by_reason"].items()
    )
    return f"{kept} rows; {data['rows_dropped']:,} dropped ({dropped})."
