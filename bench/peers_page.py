"""The page of `bench.peers_bench`: scores, latency as ratios, files, and the command that made
it.
"""

import argparse
import shlex
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core.base.files import sha256_file

__all__ = ["REFERENCE_SIZE", "command_of", "page_of", "with_ratios"]

REFERENCE_SIZE = 224
_SCORES = {
    "accuracy": "accuracy",
    "accuracy_unseen": "accuracy, no twin in Training",
    "macro_f1": "macro-F1",
    "ece": "ECE",
    "nll": "NLL",
}
_WHAT = {"model": "network", "crop": "crop to answer"}
_SAME_WORK = ["provider", "scope", "batch", "threads"]


def with_ratios(timed: pd.DataFrame) -> pd.DataFrame:
    """With `ratio_to_224`, best p50 over that of the plain export at its own size, doing the same
    work; empty where there is none.
    """
    plain = timed[(timed["model"] == "reference") & (timed["size"] == REFERENCE_SIZE)]
    plain = plain[[*_SAME_WORK, "best_p50_ms"]].rename(columns={"best_p50_ms": "plain_ms"})
    timed = timed.merge(plain, on=_SAME_WORK, how="left", validate="many_to_one")
    return timed.assign(ratio_to_224=timed["best_p50_ms"] / timed["plain_ms"]).drop(
        columns="plain_ms"
    )


def command_of(options: argparse.Namespace) -> str:
    """The command that makes the page, each path as its last part: the folders are of one
    machine.
    """
    words = [
        "python",
        "-m",
        "bench.peers_bench",
        "--fer2013",
        options.fer2013.name,
        "--peers",
        options.peers.name,
    ]
    if options.ours:
        words += ["--ours", *(path.name for path in options.ours)]
    words += ["--usage", options.usage]
    if options.out:
        words += ["--out", options.out.name]
    return shlex.join(words)


def page_of(
    quality: pd.DataFrame,
    timed: pd.DataFrame,
    files: dict[str, Path],
    usage: str,
    seen: np.ndarray,
    command: str,
) -> str:
    """The page as Markdown.

    Args:
        quality: one row a network, as `quality_of` gives it.
        timed: as `with_ratios` gives it.
        files: of the networks.
        usage: of the rows that were judged.
        seen: bool [N], which of these have a twin in Training.
        command: that made the page.
    """
    count, unseen = len(seen), int((~seen).sum())
    first = timed.iloc[0]
    lines = [
        "# Ready-made networks and ours on the same faces",
        "",
        f"{count:,} rows of {usage} of FER2013; {unseen:,} of them have no twin, pixel by pixel, "
        "among its Training rows. Peers that "
        "learnt from Training rows have seen the others; ours are trained on rows without them.",
        "",
        f"| network | {' | '.join(_SCORES.values())} |",
        "|---|" + "---:|" * len(_SCORES),
        *(
            f"| {name} | {' | '.join(_figure(row[column]) for column in _SCORES)} |"
            for name, row in quality.iterrows()
        ),
        "",
        "## Latency",
        "",
        f"On {first['cores']} cores of {first['cpu']}, onnxruntime {first['onnxruntime']}, load "
        f"{first['load_average']:.1f} before it "
        "began; threads "
        f"{'held to as many cores' if bool(first['pinned']) else 'not held to cores'}. "
        f"{_protocol(timed)} Milliseconds are "
        "of a call; the ratios are of the best round's p50 to that of a plain MobileNetV3-Large "
        "export (random weights, same process) of "
        "the network's own input size and of 224 px.",
        "",
        "| network | px | provider | what | batch | threads | p50 ms | p90 ms | p99 ms | to plain, "
        "same px | to plain, 224 px |",
        "|---|---:|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in timed.sort_values(
        _SAME_WORK, ascending=[True, False, True, True], kind="stable"
    ).to_dict("records"):
        name = "MobileNetV3-Large, plain export" if row["model"] == "reference" else row["model"]
        times = " | ".join(f"{row[column]:.2f}" for column in ("p50_ms", "p90_ms", "p99_ms"))
        ratios = " | ".join(
            "" if np.isnan(row[column]) else f"{row[column]:.3g}"
            for column in ("ratio_to_reference", "ratio_to_224")
        )
        about = (
            f"{row['size']} | {row['provider']} | {_WHAT[row['scope']]} | {row['batch']} | "
            f"{row['threads']}"
        )
        lines.append(f"| {name} | {about} | {times} | {ratios} |")
    lines += [
        "",
        "Files:",
        "",
        *(
            f"- {name}: `{path.name}`, sha256 `{sha256_file(path)[:16]}`"
            for name, path in files.items()
        ),
    ]
    lines += [
        "",
        "Made by",
        "",
        "```sh",
        command,
        "```",
        "",
        "The docstring of that module says what is measured and how.",
    ]
    return "\n".join(lines) + "\n"


def _protocol(timed: pd.DataFrame) -> str:
    """How many calls each batch size got."""
    parts = [
        f"{rows['calls'].iloc[0]:,} calls in {rows['rounds'].iloc[0]} rounds for batches of {batch}"
        for batch, rows in timed.groupby("batch")
    ]
    return f"All take turns: {', '.join(parts)}."


def _figure(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"
