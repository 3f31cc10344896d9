"""What `fer live` prints at the end of a session, and of scores."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fer_core.base.labels import CLASSES
from fer_core.live.engine import Analysed
from fer_core.live.session import UNCERTAIN

__all__ = ["Tally", "as_json", "compared", "scores"]

_NAMES = {
    "accuracy": "accuracy",
    "macro_f1_present": "macro-F1, classes present",
    "minority_f1_lowest3": "F1 of the three lowest",
    "coverage": "coverage",
    "ece": "ece",
    "nll": "nll",
}


class Tally:
    """Counts of a session while it runs; of constant size."""

    def __init__(self) -> None:
        self._frames = self._without = self._dropped = 0
        self._first = self._last = 0.0
        self._labels: Counter[str] = Counter()
        self._most = 0

    def add(self, result: Analysed) -> None:
        """Count a frame."""
        if not self._frames:
            self._first = result.frame.time
        self._frames += 1
        self._last = result.frame.time
        self._dropped += result.frame.dropped
        self._most = max(self._most, len(result.faces))
        if result.main is None:
            self._without += 1
        else:
            self._labels[result.main.name or UNCERTAIN] += 1

    def text(self, folder: Path) -> str:
        """As lines: how long each label was shown for the main face."""
        shown = [name for name in (*CLASSES, UNCERTAIN) if self._labels[name]]
        rows = [(name, self._labels[name]) for name in shown]
        rows += [("no face", self._without)] if self._without else []
        lines = [f"{'shown':<10} {'frames':>7} {'share':>7}"]
        lines += [f"{name:<10} {count:>7} {count / self._frames:>7.1%}" for name, count in rows]
        seconds = self._last - self._first
        lines.append(
            f"{self._frames} frames, {seconds:.1f} s, at most {self._most} faces"
            + (f", {self._dropped} frames dropped" if self._dropped else "")
        )
        lines.append(f"session: {folder}")
        return "".join(f"{line}\n" for line in lines)


def scores(found: dict[Path, dict[str, Any]]) -> str:
    """Scores of sessions as a table."""
    return "".join(f"{line}\n" for folder, score in found.items() for line in _of(folder, score))


def _of(folder: Path, score: dict[str, Any]) -> Iterable[str]:
    scored, flips, delay = score["scored"], score["flips_per_min"], score["switch_delay_ms"]
    yield f"{folder}"
    if not scored["scored_frames"]:
        yield "  no labelled segment is long enough: label what a face shows, for a second or more"
    else:
        yield (
            f"  {scored['scored_frames']} frames of {scored['segments']} segments "
            f"({scored['segments_left_out']} too short)"
        )
    yield f"  {'':<27}{'raw':>10}{'smoothed':>10}  interval of smoothed - raw"
    both, ends = ("raw", "smoothed"), (score["intervals"] or {}).get("difference", {})
    for name, words in _NAMES.items():
        values = [score["metrics"][kind][name] for kind in both]
        interval = f"  {ends[name][0]:+.3f} to {ends[name][1]:+.3f}" if name in ends else ""
        yield f"  {_row(words, values, 3)}{interval}"
    for key in ("all", "scored"):
        yield f"  {_row(f'flips a minute, {key}', [flips[kind][key] for kind in both], 1)}"
    yield f"  {_row('delay of a change, ms', [delay[kind]['median'] for kind in both], 0)}"
    total, rate = score["timing"]["total_ms"], score["timing"]["frames_per_second"]
    if total:
        yield (
            f"  {_short(rate, 1)} frames/s; a frame takes {total['p50']:.1f} ms "
            f"(p90 {total['p90']:.1f}, p99 {total['p99']:.1f}); "
            f"{score['timing']['dropped_frames']} dropped"
        )


def compared(found: dict[str, Any]) -> str:
    """What `compare_sessions` found, as a table."""
    lines = [f"{'':<27}{'before':>10}{'after':>10}{'change':>10}  95 % interval"]
    for name in ("accuracy", "macro_f1_present"):
        one = found[name]
        ends = one["interval"]
        interval = f"  {ends[0]:+.3f} to {ends[1]:+.3f}" if ends else "  too few segments"
        values = [one["before"], one["after"], one["difference"]]
        lines.append(_row(_NAMES[name], values, 3) + interval)
    for key in ("all", "scored"):
        values = [found["flips_per_min"][when][key] for when in ("before", "after")]
        lines.append(_row(f"flips a minute, {key}", values, 1))
    return "".join(f"{line}\n" for line in lines)


def _row(words: str, values: Sequence[float | None], digits: int) -> str:
    return f"{words:<27}" + "".join(f"{_short(value, digits):>10}" for value in values)


def _short(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def as_json(value: Any) -> str:
    """JSON with a line end."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
