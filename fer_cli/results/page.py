"""The whole outcome of a run as one page of Markdown."""

from pathlib import Path
from typing import Any

from fer_cli.results.tables import (
    data_line,
    method_table,
    model_table,
    provenance,
    read_metrics,
    unfinished_words,
)
from fer_core.base.files import read_json
from fer_core.base.params import read_params

__all__ = ["results_page"]

_LATENCY = Path("metrics/latencybenchmarks.csv")
_SUMMARY = Path("metrics/summary.json")
_COMPARISON = Path("metrics/comparison.csv")


def results_page(title: str) -> str:
    """A page of results: provenance, data, every named test set, comparison in words, training and
    latency.
    """
    params = read_params()
    summary = read_json(_SUMMARY)
    parts = [f"# {title}", provenance(), "## Data", data_line(summary["data"])]
    for name in summary["data"]["rows_of_set"]:
        parts += [
            f"## {name} ({summary['data']['rows_of_set'][name]:,} rows)",
            model_table(name),
            method_table(name),
        ]
    words = [f"- {verdict}" for verdict in read_metrics(_COMPARISON)["verdict"]]
    words += [f"- {text}" for text in [unfinished_words(params)] if text]
    parts += [
        "## Methods compared",
        "\n".join(words),
        "## Training",
        _training(params),
        "## Latency of the exported student",
        _latency(),
    ]
    parts.append(
        "Written by `fer results`; probabilities are those after temperature scaling, with the "
        "temperature fitted on calib rows."
    )
    return "\n\n".join(parts) + "\n"


def _training(params: dict[str, Any]) -> str:
    lines = [
        "| run | network | epochs | selected | val macro-F1 | images/s | seconds |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    folders = [
        Path("data/teachers") / tag / entry.get("stage", "a")
        for tag, entry in params["teachers"].items()
    ]
    folders += [
        Path("data/students") / f"{method}-{seed}"
        for method in params["student"]["methods"]
        for seed in params["student"]["seeds"]
    ]
    for folder in folders:
        run = read_json(folder / "record" / "summary.json")
        name = folder.parent.name if folder.name in ("a", "b") else folder.name
        speed = f"{run['images_per_second']:.0f}" if run["images_per_second"] else "–"
        lines.append(
            f"| {name} | {run['arch']} | {run['epochs']} | {run['selected_epoch'] + 1} | "
            f"{run['val']['macro_f1']:.3f} "
            f"| {speed} | {run['seconds']:.0f} |"
        )
    return "\n".join(lines)


def _latency() -> str:
    table = read_metrics(_LATENCY)
    first = table.iloc[0]
    lines = [
        f"Measured on {first['cores']} cores of {first['cpu']} at load "
        f"{first['load_average']:.1f}; the reference is a plain timm "
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
