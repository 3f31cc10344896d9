"""Sessions read back: rows checked one by one, scores with their timing, and two sessions of the
same labels compared.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.base.errors import DataError
from fer_core.base.files import parse_json
from fer_core.base.labels import CLASSES, INDEX
from fer_core.live.scoring import Scored, difference, score
from fer_core.live.session import FRAME_COLUMNS, PER_FRAME, SESSION, UNCERTAIN
from fer_core.live.specification import Specification

__all__ = ["RecordedSession", "compare_sessions", "read_session", "score_session"]

_NO_LABEL = ("", UNCERTAIN, "(unstable)")
_TIMES = ("detect_ms", "classify_ms", "total_ms")


@dataclass
class RecordedSession:
    """A session's rows, one for each frame.

    Attributes:
        folder: of the session.
        facts: its `session.json`.
        rules: it was made with.
        frames: what is scored, of the main face.
        numbers: `frame_index` of each.
        milliseconds: of each step, where it was done.
        dropped: frames that nobody looked at.
    """

    folder: Path
    facts: dict[str, Any]
    rules: Specification
    frames: list[Scored] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    milliseconds: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in _TIMES}
    )
    dropped: int = 0

    def of(self, numbers: Sequence[int]) -> "RecordedSession":
        """The same session with these frames only; its timing is left out."""
        wanted = set(numbers)
        kept = [
            (number, frame)
            for number, frame in zip(self.numbers, self.frames, strict=True)
            if number in wanted
        ]
        return RecordedSession(
            self.folder,
            self.facts,
            self.rules,
            [frame for _, frame in kept],
            [number for number, _ in kept],
        )

    @property
    def video(self) -> Path:
        """The clean video.

        Raises:
            DataError: the session has none.
        """
        recorded = self.facts.get("recorded")
        name = recorded.get("video") if isinstance(recorded, dict) else None
        if not isinstance(name, str) or Path(name).name != name:
            raise DataError(
                "This session has no video.",
                where=self.folder,
                remedy="record one: `fer live --record`",
            )
        return self.folder / name


def read_session(folder: Path) -> RecordedSession:
    """Read and check a session; one that was killed may end in the middle of a row.

    Raises:
        DataError: no session, a column is missing, or a row does not hold what it must; names file
            and line.
        ParamsError: its rules are not valid.
    """
    facts = _read_object(folder / SESSION)
    thresholds = _read_object(folder / "thresholds.json")
    rules = Specification.from_dict(thresholds.get("specification"), folder / "thresholds.json")
    session = RecordedSession(folder, facts, rules)
    path = folder / PER_FRAME
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            for line, row in _rows(stream, path):
                _take(session, row, f"{path}: line {line}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError("This table cannot be read.", where=path, found=error) from error
    return session


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            "This is no folder of a live session.",
            where=path,
            found=error,
            remedy="give a folder that `fer live` or the page wrote",
        ) from error
    if not isinstance(value, dict):
        raise DataError("This file does not describe a session.", where=path)
    return value


def _rows(stream: Any, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with their line numbers; a last line without its end is left out."""
    lines = (line for line in stream if line.endswith("\n"))
    reader = csv.DictReader(lines, strict=True)
    if missing := [name for name in FRAME_COLUMNS if name not in (reader.fieldnames or ())]:
        raise DataError(
            "Columns are missing in the table of frames.",
            where=path,
            found=", ".join(missing),
            expected=", ".join(FRAME_COLUMNS),
        )
    for row in reader:
        if None in row or None in row.values():
            raise DataError(
                "A row has another number of cells than the head.",
                where=f"{path}: line {reader.line_num}",
                remedy="take back what was changed by hand",
            )
        yield reader.line_num, row


def _take(session: RecordedSession, row: dict[str, str], where: str) -> None:
    place = int(_number(row, "face", where, 0))
    if place > 1:
        return
    index, time = int(_number(row, "frame_index", where, 0)), _number(row, "time_sec", where, 0)
    if session.frames and (index <= session.numbers[-1] or time < session.frames[-1].time):
        raise DataError(
            "Frames are not in order of time.",
            where=where,
            found=f"frame {index} at {time}",
            expected=f"after frame {session.numbers[-1]} at {session.frames[-1].time}",
        )
    manual = _label(row, "manual_label", where)
    if place:
        raw, shown = (_label(row, name, where) for name in ("raw_label", "smoothed_label"))
        answers = [
            tuple(_number(row, f"{start}_{name}", where, 0, 1) for name in CLASSES)
            for start in ("prob", "p_smoothed")
        ]
        session.frames.append(Scored(time, manual, raw, shown, *answers))
    else:
        session.frames.append(Scored(time, manual, -1, -1))
    session.numbers.append(index)
    session.dropped += int(_number(row, "dropped", where, 0))
    for name in _TIMES:
        if row[name]:
            session.milliseconds[name].append(_number(row, name, where, 0))


def _label(row: dict[str, str], name: str, where: str) -> int:
    if row[name] in _NO_LABEL:
        return -1
    if row[name] not in INDEX:
        raise DataError(
            "A label is none of the seven.",
            where=f"{where}, {name}",
            found=row[name],
            expected=", ".join(CLASSES),
        )
    return INDEX[row[name]]


def _number(
    row: dict[str, str], name: str, where: str, low: float, high: float = math.inf
) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not (low <= value <= high and math.isfinite(value)):
        raise DataError(
            "A cell holds no such number.",
            where=f"{where}, {name}",
            found=row[name] or "nothing",
            expected=f"at least {low}" if high == math.inf else f"{low} to {high}",
            remedy="take back what was changed by hand",
        )
    return value


def score_session(session: RecordedSession) -> dict[str, Any]:
    """`score_results.json` of a session: the metrics of `score`, and how fast it was."""
    times = [frame.time for frame in session.frames]
    seconds = times[-1] - times[0] if times else 0.0
    return {
        "per_frame": str(session.folder / PER_FRAME),
        **score(session.frames, session.rules.score),
        "timing": {
            "seconds": seconds,
            "frames_per_second": (len(times) - 1) / seconds if seconds > 0 else None,
            "dropped_frames": session.dropped,
            **{name: _percentiles(values) for name, values in session.milliseconds.items()},
        },
    }


def _percentiles(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    found = np.percentile(values, [50, 90, 99])
    return dict(zip(("p50", "p90", "p99"), found.tolist(), strict=True))


def compare_sessions(
    before: Sequence[RecordedSession], after: Sequence[RecordedSession]
) -> dict[str, Any]:
    """An A/B of sessions with the same frames and labels: differences of what was shown, after
    minus before, with intervals from drawing segments with replacement.

    Raises:
        DataError: other frames, times or labels.
    """
    for one, other in zip(before, after, strict=True):
        mine, others = (
            [(frame.time, frame.manual) for frame in session.frames] for session in (one, other)
        )
        if mine != others:
            raise DataError(
                "Two sessions can only be compared on the same frames and labels.",
                where=other.folder,
                found=f"{len(others)} frames",
                expected=f"the {len(mine)} frames of {one.folder} with their times and labels",
                remedy="`fer live replay SESSION --model OTHER` makes such a session",
            )
    shown, instead = ([one.frames for one in sessions] for sessions in (before, after))
    return difference(shown, instead, [session.rules.score for session in before])
