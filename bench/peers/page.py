"""The page of `bench.peers_bench`: scores by test, whether ours is first, latency, files, and the
command that made it.

Its words are in `page.md.j2`.
"""

import argparse
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.peers.cuts import WORDS, Cut
from bench.peers.networks import PEERS, Peer
from bench.peers.scores import Scores
from bench.peers.sets import CELLS, STRENGTHS
from fer_core.base.files import sha256_file
from fer_core.base.glossary import words_section
from fer_core.evaluation.metrics.bootstrap import Interval
from fer_core.report.templates.load import page_environment

__all__ = ["REFERENCE_SIZE", "Page", "command_of", "page_of", "with_ratios"]

REFERENCE_SIZE = 96
"""That of the plain export which the project's goal for time names."""
TESTS = {
    "fer2013": "FER2013",
    "unseen": "FER2013, no twin in Training",
    "ferplus": "FERPlus majority",
    "domain": "second domain, crops",
    "end_to_end": "second domain, end to end",
    "corrupted": "corrupted, mean",
}
MEASURES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "ece": "ECE"}
GROUPS = {
    "blur": ("blur", "motion_blur", "low_resolution"),
    "noise": ("noise", "jpeg"),
    "light": ("low_light", "gamma"),
    "hidden": ("upper_face_hidden", "lower_face_hidden", "mask"),
    "framing": ("shift", "loose_crop", "rotation"),
}
_WHAT = {"model": "network", "crop": "crop to answer"}
ROOT = Path(__file__).parents[2]
_SAME_WORK = ["provider", "scope", "batch", "threads"]


@dataclass(frozen=True)
class Page:
    """What the page is made from.

    Attributes:
        scores: by test, as `TESTS` has them and "clean", and network.
        ours: names of our networks, the main one first.
        cuts: of each network.
        files: of each network.
        absent: peers that are not there.
        usage: of the rows of FER2013.
        seen: bool [N], which of these have a twin in Training.
        timed: as `with_ratios` gives it; None where nothing was timed.
        command: that made the page.
    """

    scores: dict[str, dict[str, Scores]]
    ours: list[str]
    cuts: dict[str, Cut]
    files: dict[str, Path]
    absent: Sequence[Peer]
    usage: str
    seen: np.ndarray
    timed: pd.DataFrame | None
    command: str


def with_ratios(timed: pd.DataFrame) -> pd.DataFrame:
    """With `ratio_to_goal`, best p50 over that of the plain export at `REFERENCE_SIZE`, doing the
    same work; empty where there is none.
    """
    plain = timed[(timed["model"] == "reference") & (timed["size"] == REFERENCE_SIZE)]
    plain = plain[[*_SAME_WORK, "best_p50_ms"]].rename(columns={"best_p50_ms": "plain_ms"})
    timed = timed.merge(plain, on=_SAME_WORK, how="left", validate="many_to_one")
    return timed.assign(ratio_to_goal=timed["best_p50_ms"] / timed["plain_ms"]).drop(
        columns="plain_ms"
    )


def command_of(options: argparse.Namespace) -> str:
    """The command that makes the page. A path outside the project is given as its last part: the
    folders are of one machine.
    """
    words = ["python", "-m", "bench.peers_bench"]
    for name in ("fer2013", "peers", "expressions"):
        if place := getattr(options, name):
            words += [f"--{name}", place.name]
    if options.ours:
        words += ["--ours", *map(named, options.ours)]
    words += ["--usage", options.usage]
    if options.no_latency:
        words.append("--no-latency")
    if options.out:
        words += ["--out", options.out.name]
    return shlex.join(words)


def named(path: Path) -> str:
    """The path from the project's folder; outside of it, its last part."""
    path = path.resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def page_of(page: Page) -> str:
    """The page as Markdown."""
    environment = page_environment(Path(__file__).parent)
    questions = list(_questions(page))
    timed = page.timed
    text = environment.get_template("page.md.j2").render(
        page=page,
        count=len(page.seen),
        unseen=int((~page.seen).sum()),
        tests={test: title for test, title in TESTS.items() if test in page.scores},
        measures=MEASURES,
        questions=questions,
        first=sum(one["first"] for one in questions),
        strengths=", ".join(map(str, STRENGTHS)),
        kinds=len(CELLS) // len(STRENGTHS),
        groups=GROUPS,
        group_accuracy=_group_accuracy(page.scores["corrupted"]),
        cut_words=WORDS,
        reference_size=REFERENCE_SIZE,
        paths={name: named(path) for name, path in page.files.items()},
        hashes={name: sha256_file(path) for name, path in page.files.items()},
        made={peer.what: peer.get for peer in PEERS if peer.get},
        times={} if timed is None else timed.groupby("batch").first().to_dict("index"),
        machine={} if timed is None else timed.iloc[0].to_dict(),
        columns=[] if timed is None else _works(timed),
        rows=[] if timed is None else _wide(timed),
        what=_WHAT,
    )
    return text + words_section(text)


def _questions(page: Page) -> Iterator[dict[str, Any]]:
    """Of each test and measure: is ours before every peer, and by how much."""
    for test, title in TESTS.items():
        scores = page.scores.get(test, {})
        others = [name for name in scores if name not in page.ours]
        if not page.ours or not others:
            continue
        ours = scores[page.ours[0]]
        for measure, word in MEASURES.items():
            best = min if measure == "ece" else max
            rival = best(others, key=lambda name: scores[name].values[measure])
            more = ours.values[measure] - scores[rival].values[measure]
            interval = ours.less(scores[rival], measure)
            yield {
                "question": f"{word}, {title}",
                "ours": ours.values[measure],
                "rival": rival,
                "best": scores[rival].values[measure],
                "more": more,
                "interval": interval,
                "first": more < 0 if measure == "ece" else more > 0,
                "open": not interval.excludes_zero,
            }


def _group_accuracy(scores: dict[str, Scores]) -> dict[str, dict[str, Interval]]:
    """Mean accuracy of each network under the corruptions of each group."""
    parts = {
        group: [part for part, (kind, _) in enumerate(CELLS) if kind in kinds]
        for group, kinds in GROUPS.items()
    }
    return {
        name: {group: one.accuracy_of(mine) for group, mine in parts.items()}
        for name, one in scores.items()
    }


def _works(timed: pd.DataFrame) -> list[tuple[str, int, int]]:
    """Scope, batch and threads of the columns of times."""
    works = timed[["scope", "batch", "threads"]].drop_duplicates()
    works = works.sort_values(["scope", "batch", "threads"], ascending=[False, True, True])
    return [tuple(row) for row in works.to_numpy().tolist()]


def _wide(timed: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each network, size and provider: p50 by work, and the ratios of one face in one
    thread by the network alone, or in as few as there were.
    """
    rows = []
    for (model, size, provider), mine in timed.groupby(["model", "size", "provider"], sort=False):
        p50 = mine.set_index(["scope", "batch", "threads"])["p50_ms"].to_dict()
        single = mine[mine["scope"] == "model"].sort_values(["batch", "threads"]).iloc[0]
        rows.append(
            {"model": model, "size": size, "provider": provider, "p50": p50}
            | {name: single[name] for name in ("ratio_to_reference", "ratio_to_goal")}
        )
    return rows
