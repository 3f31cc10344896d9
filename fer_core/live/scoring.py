"""How well a labelled session was answered ("protocol-lite"): which frames count, and what of them
was right, steady and quick.

One policy holds throughout: *uncertain* is an answer that is wrong, in accuracy and in F1, and
`coverage` says how often there was another.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.live.confusion import COMPARED, f1, intervals, values
from fer_core.live.specification import Score

__all__ = ["Scored", "Segment", "difference", "score", "segments"]

_SLACK = 1e-9
_UNCERTAIN = N_CLASSES
_LEAST = 1e-12  # of a probability in a logarithm


@dataclass(frozen=True)
class Scored:
    """What one frame says of the main face; class indices, -1 for none.

    Attributes:
        time: seconds since the session began.
        manual: what a person said.
        raw: the answer for this frame alone; -1 without a face.
        smoothed: what was shown; -1 for uncertain and without a face.
        p_raw: seven probabilities, or None without a face.
        p_smoothed: likewise.
    """

    time: float
    manual: int
    raw: int
    smoothed: int
    p_raw: tuple[float, ...] | None = None
    p_smoothed: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Segment:
    """Consecutive frames of one manual label.

    Attributes:
        label: class index.
        first, last: of its frames.
        scored: frames that are far enough from the edges; none where the segment is too short.
        follows: index of the label of the labelled segment before; -1 for the first.
    """

    label: int
    first: int
    last: int
    scored: tuple[int, ...]
    follows: int


def segments(frames: Sequence[Scored], rules: Score) -> list[Segment]:
    """The labelled segments of a session in order."""
    found: list[Segment] = []
    start = 0
    for end in range(1, len(frames) + 1):
        if end < len(frames) and frames[end].manual == frames[start].manual:
            continue
        if (label := frames[start].manual) >= 0:
            found.append(_segment(frames, label, start, end - 1, found, rules))
        start = end
    return found


def _segment(
    frames: Sequence[Scored], label: int, first: int, last: int, before: list[Segment], rules: Score
) -> Segment:
    begin, end = frames[first].time, frames[last].time
    scored = tuple(
        index
        for index in range(first, last + 1)
        if end - begin >= rules.min_segment_s - _SLACK
        and frames[index].time - begin >= rules.exclusion_s - _SLACK
        and end - frames[index].time >= rules.exclusion_s - _SLACK
    )
    return Segment(label, first, last, scored, before[-1].label if before else -1)


def score(frames: Sequence[Scored], rules: Score) -> dict[str, Any]:
    """The metrics of a session, with the keys of `score_results.json`; null where there is nothing
    to measure.

    Args:
        frames: one for each frame, in order of time; that of the main face.
        rules: of the specification.
    """
    parts = segments(frames, rules)
    kept = [part for part in parts if part.scored]
    chosen = [index for part in kept for index in part.scored]
    blocks = {kind: _block([frames[i] for i in chosen], kind, rules) for kind in _KINDS}
    return {
        "frames_total": len(frames),
        "frames_with_manual": sum(frame.manual >= 0 for frame in frames),
        "unstable_frames": sum(frame.smoothed < 0 for frame in frames),
        "protocol": {
            "min_hold_ms": 1000 * rules.min_segment_s,
            "exclusion_ms": 1000 * rules.exclusion_s,
            "uncertain": "wrong in accuracy and in F1",
        },
        "scored": {
            "scored_frames": len(chosen),
            "accuracy": blocks["smoothed"]["accuracy"],
            "segments": len(kept),
            "segments_left_out": len(parts) - len(kept),
        },
        "metrics": {
            "scored_frames_for_f1": len(chosen),
            "missing_prob_rows": sum(frames[index].p_raw is None for index in chosen),
            **blocks,
        },
        "jitter_flips_per_min": _flips(frames, [range(len(frames))], "smoothed"),
        "flips_per_min": {
            kind: {
                "all": _flips(frames, [range(len(frames))], kind),
                "scored": _flips(frames, [part.scored for part in kept], kind),
            }
            for kind in _KINDS
        },
        "switch_delay_ms": {kind: _delays(frames, kept, kind) for kind in _KINDS},
        "intervals": _intervals(frames, kept, rules),
    }


_KINDS = ("smoothed", "raw")


def _answer(frame: Scored, kind: str) -> int:
    return frame.smoothed if kind == "smoothed" else frame.raw


def _block(frames: Sequence[Scored], kind: str, rules: Score) -> dict[str, Any]:
    confusion = _confusion(frames, kind)
    per_class = f1(confusion)
    rows = [
        (frame.manual, row)
        for frame in frames
        if (row := frame.p_smoothed if kind == "smoothed" else frame.p_raw) is not None
    ]
    return {
        **values(confusion),
        "per_class_f1": dict(zip(CLASSES, per_class.tolist(), strict=True)),
        "per_class_support": dict(zip(CLASSES, confusion.sum(axis=1).tolist(), strict=True)),
        "confusion_matrix": confusion[:, :N_CLASSES].tolist(),
        "uncertain": confusion[:, _UNCERTAIN].tolist(),
        **_calibration(rows, rules.bins),
    }


def _confusion(frames: Iterable[Scored], kind: str) -> np.ndarray:
    """Rows: manual labels; columns: answers, the last is uncertain or no face. int64 [7, 8]."""
    counts = np.zeros((N_CLASSES, N_CLASSES + 1), dtype=np.int64)
    for frame in frames:
        counts[frame.manual, _answer(frame, kind)] += 1  # -1 is the last column
    return counts


def _calibration(rows: list[tuple[int, tuple[float, ...]]], bins: int) -> dict[str, float | None]:
    """Expected calibration error over bins of equal width, each closed above, and mean negative
    log-likelihood.
    """
    if not rows:
        return {"ece": None, "nll": None}
    labels = np.array([label for label, _ in rows])
    table = np.array([row for _, row in rows], dtype=np.float64)
    confidence, right = table.max(axis=1), table.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(place, weights=right - confidence, minlength=bins)
    likelihood = np.maximum(table[np.arange(len(labels)), labels], _LEAST)
    return {
        "ece": float(np.abs(gaps).sum() / len(rows)),
        "nll": float(-np.log(likelihood).mean()),
    }


def _flips(frames: Sequence[Scored], parts: Iterable[Sequence[int]], kind: str) -> float | None:
    """Changes a minute from one label to another within the parts; uncertain frames are passed
    over.
    """
    changes, seconds = 0, 0.0
    for part in parts:
        given = [answer for index in part if (answer := _answer(frames[index], kind)) >= 0]
        changes += sum(one != other for one, other in itertools.pairwise(given))
        seconds += frames[part[-1]].time - frames[part[0]].time if part else 0.0
    return 60 * changes / seconds if seconds > 0 else None


def _delays(frames: Sequence[Scored], kept: Sequence[Segment], kind: str) -> dict[str, Any]:
    """From each change of the manual label to the first frame with this answer; a label that is
    never given counts as later than all others.
    """
    delays = []
    for part in kept:
        if part.follows not in (-1, part.label):
            inside = range(part.first, part.last + 1)
            hits = (i for i in inside if _answer(frames[i], kind) == part.label)
            hit = next(hits, None)
            begin = frames[part.first].time
            delays.append(math.inf if hit is None else 1000 * (frames[hit].time - begin))
    median = float(np.median(delays)) if delays else None
    return {
        "changes": len(delays),
        "never": sum(map(math.isinf, delays)),
        "median": None if median is None or not math.isfinite(median) else median,
    }


def _intervals(
    frames: Sequence[Scored], kept: Sequence[Segment], rules: Score
) -> dict[str, Any] | None:
    """95 % intervals of smoothed, raw and their difference; null for fewer than two segments."""
    smoothed, raw = (_tables(frames, kept, kind) for kind in ("smoothed", "raw"))
    found = intervals(raw, smoothed, rules.resamples)
    return dict(zip(("raw", "smoothed", "difference"), found, strict=True)) if found else None


def difference(
    before: Sequence[Sequence[Scored]], after: Sequence[Sequence[Scored]], rules: Sequence[Score]
) -> dict[str, Any]:
    """What was shown after against before, on the same frames and labels of one or several
    sessions: `accuracy` and `macro_f1_present` as differences with 95 % intervals over all their
    segments, and flips a minute of both.

    Args:
        before, after: the frames of each session.
        rules: of each session; the first says how many resamples are drawn.
    """
    kept: list[Segment] = []
    wholes, start = [], 0
    for frames, own in zip(before, rules, strict=True):
        kept += [_moved(part, start) for part in segments(frames, own) if part.scored]
        wholes.append(range(start, start + len(frames)))
        start += len(frames)
    joined = [list(itertools.chain.from_iterable(sessions)) for sessions in (before, after)]
    tables = [_tables(frames, kept, "smoothed") for frames in joined]
    found = [values(table.sum(axis=0)) for table in tables]
    drawn = intervals(tables[0], tables[1], rules[0].resamples)
    parts = [part.scored for part in kept]
    return {
        "segments": len(kept),
        **{
            name: {
                "before": found[0][name],
                "after": found[1][name],
                "difference": _minus(found[1][name], found[0][name]),
                "interval": drawn and drawn[2][name],
            }
            for name in COMPARED
        },
        "flips_per_min": {
            key: {
                "all": _flips(frames, wholes, "smoothed"),
                "scored": _flips(frames, parts, "smoothed"),
            }
            for key, frames in zip(("before", "after"), joined, strict=True)
        },
    }


def _moved(part: Segment, start: int) -> Segment:
    """A segment of a session whose first frame is number `start` of several sessions."""
    scored = tuple(index + start for index in part.scored)
    return replace(part, first=part.first + start, last=part.last + start, scored=scored)


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _tables(frames: Sequence[Scored], kept: Sequence[Segment], kind: str) -> np.ndarray:
    """Confusion of each segment, int64 [segments, 7, 8]."""
    tables = [_confusion([frames[index] for index in part.scored], kind) for part in kept]
    return np.array(tables).reshape(-1, N_CLASSES, N_CLASSES + 1)
