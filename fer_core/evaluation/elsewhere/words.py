"""What the matrix of data sets left out says, in plain words: for report, log and model card."""

from collections.abc import Mapping
from typing import Any

__all__ = ["cross_dataset_words", "losses"]


def losses(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Data set -> the cell of its own test rows in the training that left it out, where there is
    one, the largest loss of accuracy first.
    """
    own = {key: cells[key] for key, cells in found.get("cells", {}).items() if key in cells}
    told = {key: cell for key, cell in own.items() if "difference" in cell}
    return dict(sorted(told.items(), key=lambda item: item[1]["difference"]["accuracy"]["value"]))


def cross_dataset_words(found: Mapping[str, Any]) -> str:
    """What the record says, in plain words."""
    if "reason" in found:
        return f"No data set was left out of {found['n']:,} test faces: {found['reason']}."
    told = []
    for source, cell in losses(found).items():
        share, apart = cell["accuracy"], cell["difference"]["accuracy"]
        ends = (100 * apart[end] for end in ("value", "low", "high"))
        gap = "{:+.0f} points, between {:+.0f} and {:+.0f}".format(*ends)
        told.append(f"{source} {share['value']:.0%} ({gap})")
    if not told:
        return "No data set could be left out; the reasons stand beside the numbers."
    seeds = found["seeds"]
    return (
        "How many faces are named right that come from a data set which the student never learned "
        f"from? Of {'; of '.join(told)}. Points are against a student that learned from all data "
        "sets, in as many steps. "
        + (
            f"Means of {seeds} trainings each; the intervals allow for other seeds."
            if seeds > 1
            else "One training each: what another seed would change is in no interval, and may be "
            "more than all this."
        )
    )
