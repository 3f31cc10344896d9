"""The page of `bench.peers_bench`: scores, latency as ratios, files, and the command that made it.

Its words are in `peers.md.j2`.
"""

import argparse
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

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
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("peers.md.j2").render(
        count=len(seen),
        unseen=int((~seen).sum()),
        usage=usage,
        scores=_SCORES,
        quality=quality.to_dict("index"),
        first=timed.iloc[0].to_dict(),
        times=timed.groupby("batch").first().to_dict("index"),
        what=_WHAT,
        rows=timed.sort_values(
            _SAME_WORK, ascending=[True, False, True, True], kind="stable"
        ).to_dict("records"),
        files=files,
        hashes={name: sha256_file(path) for name, path in files.items()},
        command=command,
    )
