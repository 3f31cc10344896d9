"""What changed since the last commit: this run's summary beside the committed one."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_core.report.facts.collect import RunFacts
from fer_core.report.facts.summary import summary

__all__ = ["Change", "changes", "committed_summary"]

_SUMMARY = "metrics/summary.json"
_SCORES = {
    "macro_f1": ("macro-F1", "macro_f1", 1),
    "accuracy": ("accuracy", "accuracy", 1),
    "nll_scaled_nats": ("NLL, scaled", "nll", -1),
    "ece_scaled": ("ECE, scaled", "ece", -1),
}
"""Key in the summary -> name, metric, and 1 where more is better, else -1."""


@dataclass(frozen=True)
class Change:
    """A figure then and now.

    Attributes:
        what: it is.
        before: the committed value; None where the commit has none.
        now: the value of this run.
        verdict: "better" or "worse" where the committed value lies outside this run's 95 %
            interval, else "".
        digits: to show; 0 for a count.
    """

    what: str
    before: float | None
    now: float
    verdict: str = ""
    digits: int = 3


def committed_summary(root: Path) -> tuple[str, dict[str, Any]] | None:
    """Short name of the last commit and its `metrics/summary.json`; None outside git or where the
    commit has none.
    """
    answers = []
    for arguments in (("rev-parse", "--short", "HEAD"), ("show", f"HEAD:./{_SUMMARY}")):
        try:
            done = subprocess.run(("git", *arguments), cwd=root, capture_output=True, check=False)
        except FileNotFoundError:
            return None
        answers.append(done.stdout.decode())
        if done.returncode:
            return None
    return answers[0].strip(), json.loads(answers[1])


def changes(before: Mapping[str, Any], facts: RunFacts) -> list[Change]:
    """Scores of the deployed student and the ensemble on the compared set, and counts of faces.

    Args:
        before: the committed summary.
        facts: of this run.
    """
    name, deployed = facts.scope.compare_set, facts.scope.deployed
    now = summary(facts)
    measured = {
        deployed: facts.deployed.reliability[name]["temperature_scaled"]["metrics"],
        **({"ensemble": facts.board_row("ensemble", True)["metrics"]} if facts.board else {}),
    }
    found = []
    for model, metrics in measured.items():
        then = before.get(name, {}).get(model, {})
        for key, (title, metric, sign) in _SCORES.items():
            old, interval = then.get(key), metrics[metric]
            verdict = ""
            if old is not None and not interval["low"] <= old <= interval["high"]:
                verdict = "better" if sign * (interval["value"] - old) > 0 else "worse"
            found.append(Change(f"{model}: {title}", old, now[name][model][key], verdict))
    for split in ("train", "test"):
        old, value = (each["data"].get(f"rows_{split}") for each in (before, now))
        found.append(Change(f"{split} faces", old, value, digits=0))
    return found
