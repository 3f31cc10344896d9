"""`fer results`: what a finished run measured, as Markdown, taken from its metrics files and nothing else."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_core.errors import ArtifactError
from fer_core.files import read_json, sha256_file, write_text
from fer_core.params import PARAMS_FILE, read_params

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["method_table", "model_table", "results", "results_page", "with_table"]

_LEADERBOARD = Path("metrics/leaderboard.csv")
_LATENCY = Path("metrics/latencybenchmarks.csv")
_SUMMARY = Path("metrics/summary.json")
_STUDENTS = Path("metrics/resultssummarystudents.csv")
_COMPARISON = Path("metrics/comparison.csv")
_HISTORY = Path("plots/history_students.csv")
_MARKS = ("<!-- results -->", "<!-- /results -->")
_REMEDY = "run `fer run` first"


def results(
    out: Annotated[Path | None, typer.Option(help="Write a page with provenance here; without it only the table is printed.")] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Results",
    into: Annotated[Path | None, typer.Option(help="Replace the table between the result marks of this file.")] = None,
) -> None:
    """Print the result table of the last run, or write a page of results with its provenance."""
    table = model_table(str(read_params()["evaluation"]["compare_set"]))
    if out is not None:
        write_text(out, results_page(title))
        typer.echo(f"wrote {out}")
    if into is not None:
        write_text(into, with_table(into.read_text(encoding="utf-8"), table, into))
        typer.echo(f"wrote the table into {into}")
    if out is None and into is None:
        typer.echo(table)


def with_table(text: str, table: str, where: Path) -> str:
    """The text with the table between its two result marks.

    Raises:
        ArtifactError: the marks are missing.
    """
    before, begin, rest = text.partition(_MARKS[0])
    _, end, after = rest.partition(_MARKS[1])
    if not begin or not end:
        raise ArtifactError("The result marks are missing.", where=where, expected=" and ".join(_MARKS))
    return f"{before}{begin}\n{table}\n{end}{after}"


def model_table(set_name: str) -> str:
    """Markdown table of every model on a named test set, best macro-F1 first; probabilities are the calibrated ones.

    Raises:
        ArtifactError: there is no leaderboard, or it does not hold the set.
    """
    board = _read(_LEADERBOARD)
    rows = board[(board["set"] == set_name) & board["calibrated"]].sort_values("macro_f1", ascending=False, kind="stable")
    if rows.empty:
        raise ArtifactError("The leaderboard does not hold this set.", where=_LEADERBOARD, found=set_name, remedy=_REMEDY)
    lines = ["| model | kind | accuracy | macro-F1 (95 % CI) | NLL | ECE |", "|---|---|---:|---:|---:|---:|"]
    lines += [
        f"| {row.entry} | {row.kind} | {row.accuracy:.3f} | {row.macro_f1:.3f} ({row.macro_f1_low:.3f}–{row.macro_f1_high:.3f}) "
        f"| {row.nll:.3f} | {row.ece:.3f} |"
        for row in rows.itertuples()
    ]
    return "\n".join(lines)


def method_table(set_name: str) -> str:
    """Markdown table of each method on a named test set: mean over seeds and standard deviation between them.

    Raises:
        ArtifactError: there is no summary of students.
    """
    table = _read(_STUDENTS)
    table = table[table["set"] == set_name]
    shown = {"accuracy": "accuracy", "macro_f1": "macro-F1", "minority_f1": "minority-F1", "nll_scaled_nats": "NLL", "ece_scaled": "ECE"}
    lines = [f"| method | seeds | {' | '.join(shown.values())} |", f"|---|---:|{'---:|' * len(shown)}"]
    for method in table["method"].unique():
        rows = table[table["method"] == method].set_index("metric")
        cells = [f"{rows.at[name, 'mean']:.3f}" + (f" ± {sd:.3f}" if (sd := rows.at[name, "sd"]) == sd else "") for name in shown]
        lines.append(f"| {method} | {rows['seeds'].iloc[0]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def results_page(title: str) -> str:
    """A page of results: provenance, data, every named test set, comparison in words, training and latency."""
    params = read_params()
    summary = read_json(_SUMMARY)
    parts = [f"# {title}", _provenance(), "## Data", _data(summary["data"])]
    for name in summary["data"]["rows_of_set"]:
        parts += [f"## {name} ({summary['data']['rows_of_set'][name]:,} rows)", model_table(name), method_table(name)]
    words = [f"- {verdict}" for verdict in _read(_COMPARISON)["verdict"]]
    words += [f"- {text}" for text in [_unfinished(params)] if text]
    parts += ["## Methods compared", "\n".join(words), "## Training", _training(params), "## Latency of the exported student", _latency()]
    parts.append("Written by `fer results`; probabilities are those after temperature scaling, with the temperature fitted on calib rows.")
    return "\n\n".join(parts) + "\n"


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd  # every `fer` command would wait for it

    try:
        return pd.read_csv(path)
    except FileNotFoundError as error:
        raise ArtifactError("A metrics file is missing.", where=path, remedy=_REMEDY) from error


def _provenance() -> str:
    log = ["git", "log", "-1", "--format=%H", "--", "fer_core", "stages"]
    commit = subprocess.run(log, capture_output=True, text=True, check=False).stdout.strip() or "no git commit"
    profile = next((f"profile `{path.stem}`" for path in sorted(Path("profiles").glob("*.yaml")) if _same(path, PARAMS_FILE)), "no profile")
    lines = [
        f"- code: commit `{commit}`; parameters: {profile}, sha256 `{sha256_file(PARAMS_FILE)[:16]}`",
        f"- data: manifest sha256 `{read_json(Path('data/validation.json'))['manifest_sha256'][:16]}`",
    ]
    environment = next(iter(sorted(Path("data/students").glob("*/record/environment.json"))), None)
    if environment is not None:
        facts = read_json(environment)
        versions = ", ".join(f"{name} {facts['packages'][name]}" for name in ("torch", "timm"))
        machine = f"{facts['device']} ({facts['processor']}, {facts['cores']} cores), threads: {facts['threads']}"
        lines.append(f"- students trained on {machine}, {versions}")
    return "\n".join(lines)


def _unfinished(params: dict[str, Any]) -> str | None:
    """Whether a method still gained when its training ended, by the curves of its seeds."""
    from fer_core.report.convergence import unfinished

    curves = dict(list(_read(_HISTORY).groupby("model")))
    student = params["student"]
    return unfinished({method: [curves[f"{method}-{seed}"] for seed in student["seeds"]] for method in student["methods"]})


def _same(a: Path, b: Path) -> bool:
    return sha256_file(a) == sha256_file(b)


def _data(data: dict[str, Any]) -> str:
    kept = ", ".join(f"{data[f'rows_{split}']:,} {split}" for split in ("train", "val", "calib", "test"))
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in data["rows_dropped_by_reason"].items())
    return f"{kept} rows; {data['rows_dropped']:,} dropped ({dropped})."


def _training(params: dict[str, Any]) -> str:
    lines = ["| run | network | epochs | selected | val macro-F1 | images/s | seconds |", "|---|---|---:|---:|---:|---:|---:|"]
    folders = [Path("data/teachers") / tag / entry.get("stage", "a") for tag, entry in params["teachers"].items()]
    folders += [
        Path("data/students") / f"{method}-{seed}" for method in params["student"]["methods"] for seed in params["student"]["seeds"]
    ]
    for folder in folders:
        run = read_json(folder / "record" / "summary.json")
        name = folder.parent.name if folder.name in ("a", "b") else folder.name
        speed = f"{run['images_per_second']:.0f}" if run["images_per_second"] else "–"
        lines.append(
            f"| {name} | {run['arch']} | {run['epochs']} | {run['selected_epoch'] + 1} | {run['val']['macro_f1']:.3f} "
            f"| {speed} | {run['seconds']:.0f} |"
        )
    return "\n".join(lines)


def _latency() -> str:
    table = _read(_LATENCY)
    first = table.iloc[0]
    lines = [
        f"Measured on {first['cores']} cores of {first['cpu']} at load {first['load_average']:.1f}; the reference is a plain timm "
        f"MobileNetV3-Large of the same input size in the same process.",
        "",
        "| file | scope | batch | threads | p50 ms | p90 ms | p99 ms | ratio to reference |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.model} {row.precision} | {row.scope} | {row.batch} | {row.threads} "
        f"| {row.p50_ms:.2f} | {row.p90_ms:.2f} | {row.p99_ms:.2f} | {row.ratio_to_reference:.2f} |"
        for row in table.itertuples()
    ]
    return "\n".join(lines)
