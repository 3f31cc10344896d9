"""The two gates of an adapted student: no named test set becomes worse, and sessions that were held
out are answered better and as steadily. It is promoted only if both pass.

The original work had the first gate alone; its candidate passed that one and was worse before a
camera.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fer_core.base.errors import DataError
from fer_core.evaluation.comparison.gates import GateResult
from fer_core.live.engine import Detector
from fer_core.live.recorded import compare_sessions, read_session
from fer_core.live.replaying import replayed
from fer_core.live.specification import Specification
from fer_core.predict.predictor import Predictor

__all__ = ["held_out_sessions", "judge_sessions", "replay_both", "session_folder", "verdict"]

_MORE_FLIPS, _SLACK = 1.1, 1e-9
_SESSIONS = "held-out sessions"
_BETTER = "macro-F1 of what is shown rises, and so does the low end of its interval"
_STEADY = "flips a minute within segments rise by at most 10 %"


def held_out_sessions(test: pd.DataFrame, sources: Sequence[str]) -> list[tuple[str, str]]:
    """Data set and folder of each session that gave test rows, sorted.

    Args:
        test: rows of the test half.
        sources: data sets of sessions.
    """
    return sorted(
        {
            (source, sample_id.removeprefix(f"{source}/").rpartition("#")[0])
            for source, sample_id in zip(test["source"], test["sample_id"], strict=True)
            if source in sources
        }
    )


def replay_both(
    folders: Sequence[Path],
    base: Predictor,
    adapted: Predictor,
    detector_of: Callable[[Specification], Detector],
) -> dict[str, Any]:
    """The sessions through both networks, by the rules that each session had: `compare_sessions`.

    Raises:
        DataError: a folder holds no session, or one without a video.
    """
    sessions = [read_session(folder) for folder in folders]
    answered = [
        [replayed(session, predictor, detector_of(session.rules)) for session in sessions]
        for predictor in (base, adapted)
    ]
    return compare_sessions(*answered)


def judge_sessions(found: dict[str, Any] | None) -> GateResult:
    """What the gate of the sessions says. Flips are counted within segments: where a person changes
    the label, a network that is right has to flip.

    Args:
        found: of `replay_both`; None where no session is held out.
    """
    if found is None:
        nothing = "no session is held out: put some into a folder test/"
        return GateResult("sessions", False, ((_SESSIONS, _BETTER, False, nothing),))
    score, flips = found["macro_f1_present"], found["flips_per_min"]
    interval = score["interval"]
    told = "no interval: fewer than two segments"
    if interval is not None:
        told = "{:+.4f} ({:+.4f} to {:+.4f}) from {:.4f}".format(
            score["difference"], *interval, score["before"]
        )
    before, after = (flips[key]["scored"] for key in ("before", "after"))
    steady = before is not None and after is not None and after <= _MORE_FLIPS * before + _SLACK
    numbers = (
        "no time to count them in"
        if before is None or after is None
        else f"{after:.2f} from {before:.2f}"
    )
    findings = (
        (_SESSIONS, _BETTER, interval is not None and interval[0] > 0, told),
        (_SESSIONS, _STEADY, steady, numbers),
    )
    return GateResult("sessions", all(holds for _, _, holds, _ in findings), findings)


def verdict(results: Sequence[GateResult]) -> str:
    """One sentence or more: promoted, or what failed."""
    failed = [
        f"{place}: not so that {rule}: {numbers}"
        for result in results
        for place, rule, holds, numbers in result.findings
        if not holds
    ]
    return f"not promoted; {'; '.join(failed)}" if failed else "promoted: both gates pass"


def session_folder(root: Path, name: str) -> Path:
    """Where a session of a data set lies.

    Raises:
        DataError: it is in an archive.
    """
    for folder in (root / name, root):
        if (folder / "per_frame.csv").is_file():
            return folder
    raise DataError(
        "A session that is replayed must lie in a folder.",
        where=root / name,
        remedy="unpack the archive, and `fer data add` the folder",
    )
