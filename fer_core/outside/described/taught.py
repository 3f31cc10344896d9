"""Which students learned from a teacher from elsewhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_core.base.artifact import object_with, read_plain
from fer_core.base.files import sha256_file

__all__ = ["taught_by"]

_REPORT = object_with({"teachers": list[str], "ensemble": dict[str, Any]})


def taught_by(cards: Mapping[str, Mapping[str, Any]], softlabels: Path) -> dict[str, list[str]]:
    """Tags of the teachers behind each student, its own and those of the students it goes on from.

    Fused soft labels are of the teachers with weight; those of each teacher, and soft labels whose
    weights differ from row to row, of all that take part. A student that goes on from one that is
    not among the cards counts as taught by all.

    Args:
        cards: key -> `model.json` of its saved model.
        softlabels: folder of the soft labels that students learned from.

    Raises:
        ArtifactError: the alignment report or an array of the soft labels is missing or damaged.
    """
    report = read_plain(softlabels / "alignmentreport.json", _REPORT)
    weights = report["ensemble"].get("weights", {})
    everyone = list(report["teachers"])
    fused = [tag for tag in everyone if weights.get(tag, 1) > 0]
    fused_sha256 = sha256_file(softlabels / "softlabels.npz")
    key_of = {card["weights_sha256"]: key for key, card in cards.items()}

    def behind(key: str) -> set[str]:
        card = cards[key]
        found: set[str] = set()
        if (targets := card["targets_sha256"]) is not None:
            found |= set(fused if targets == fused_sha256 else everyone)
        if (before := key_of.get(card["init_sha256"])) is not None:
            return found | behind(before)
        method = card["params"].get(card["params"].get("method"), {})
        return found | (set(everyone) if method.get("start") is not None else set())

    return {key: sorted(behind(key), key=everyone.index) for key in cards}
