"""Facts about this machine and this checkout, which are no artifacts of a run: how fast the
exported files are here, what the pages are made with, and what the last commit says.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fer_core.base.provenance import surroundings
from fer_core.export.latency.records import Promotion, read_latency, read_promotions, recommended
from fer_core.report.facts.agreement import check_one_run
from fer_core.report.facts.change import committed_summary
from fer_core.report.facts.collect import RunFacts

__all__ = ["Here", "collect_here"]


@dataclass(frozen=True)
class Here:
    """What surrounds a run.

    Attributes:
        latency: of the ONNX files, on the machine that ran the stage `latency`.
        promotions: verdicts on the ONNX files that must earn their use there.
        file: the record of the exported file to use on the CPU that was timed.
        made_with: machine, commit and packages, see `surroundings`.
        committed: short name of the last commit and its summary; None where there is none.
    """

    latency: pd.DataFrame
    promotions: list[Promotion]
    file: dict[str, Any]
    made_with: dict[str, Any]
    committed: tuple[str, dict[str, Any]] | None


def collect_here(metrics: Path, root: Path, facts: RunFacts) -> Here:
    """Read what `latency` left under `metrics`, and look at the checkout.

    Args:
        metrics: folder.
        root: of the project.
        facts: of the run.

    Raises:
        ArtifactError: one is missing or damaged, or the times are of another run.
    """
    latency = read_latency(metrics / "latencybenchmarks.csv")
    promotions = read_promotions(metrics / "onnxpromotion.json")
    timed = latency[(latency["model"] != "reference") & (latency["scope"] != "photo")]
    files = set(zip(timed["model"], timed["precision"], strict=True))
    exported = {record["precision"]: record for record in facts.exports}
    promoted = {promotion.precision for promotion in promotions if promotion.promoted}
    pairs = [
        (files, {(facts.scope.deployed, name) for name in exported}, "files exported and timed"),
        (promoted - set(exported), set[str](), "files promoted and not exported"),
    ]
    check_one_run(pairs, metrics)
    return Here(
        latency,
        promotions,
        exported[recommended(promotions)],
        surroundings(root),
        committed_summary(root),
    )
