"""What `fer predict` answers, as a table for people, JSON or CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from fer_core.base.errors import FerError, printable
from fer_core.base.files import harmless_cell
from fer_core.base.labels import CLASSES
from fer_core.predict.detection import FaceBox

__all__ = ["Answer", "OutputFormat", "in_one_line", "in_text", "rendered"]


class OutputFormat(StrEnum):
    """How the answers are printed."""

    table = "table"
    json = "json"
    csv = "csv"


@dataclass(frozen=True)
class Answer:
    """What is printed of one face, or of one file in which none was found or that cannot be read
    (`face` is then None).

    Attributes:
        file: as it was given.
        face: its number in the picture, from 1 in the order of reading.
        box: where it is, if faces were looked for.
        label: the most probable class; None below the threshold.
        confidence: probability of the most probable class.
        top: the most probable classes with their probabilities, as many as were asked for.
        probabilities: of all classes.
        error: why the file cannot be read, or the face not be answered.
        frame, time: of a video: number of the frame from 0, and seconds.
    """

    file: str
    face: int | None = None
    box: FaceBox | None = None
    label: str | None = None
    confidence: float | None = None
    top: list[tuple[str, float]] = field(default_factory=list)
    probabilities: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    frame: int | None = None
    time: float | None = None


def in_one_line(error: FerError) -> str:
    """What is wrong, what was found and what to do, without the place."""
    parts = [("found", error.found), ("expected", error.expected), ("remedy", error.remedy)]
    details = "; ".join(f"{name}: {value}" for name, value in parts if value is not None)
    return " ".join(f"{error.problem} ({details})".split()) if details else error.problem


def rendered(
    answers: Iterable[Answer], output: OutputFormat, width: int, *, video: bool, others: bool
) -> Iterator[str]:
    """The answers as pieces of a text, each as soon as its answer is there.

    Args:
        answers: in their order.
        output: kind of text.
        width: characters of the longest file name.
        video: columns for the frame and its time.
        others: a column for further classes in the table.
    """
    if output is OutputFormat.json:
        return _json(answers)
    if output is OutputFormat.csv:
        return _csv(answers, video)
    return _table(answers, max(width, 4), video, others)


def in_text(name: str) -> str:
    """A file name that any terminal and file can take: what is no UTF-8 or steers a terminal is
    written as an escape.
    """
    shown = name.encode("utf-8", "backslashreplace").decode()
    return printable(shown).replace("\n", "\\n").replace("\t", "\\t")


def _table(answers: Iterable[Answer], width: int, video: bool, others: bool) -> Iterator[str]:
    when = f"  {'frame':>6}  {'time':>9}" if video else ""
    head = f"{'file':<{width}}{when}  face  {'label':<8}  confidence"
    yield f"{head}  {'next' if others else ''}".rstrip() + "\n"
    for answer in answers:
        confidence = "" if answer.confidence is None else f"{100 * answer.confidence:.1f} %"
        further = answer.top if answer.face is not None and answer.label is None else answer.top[1:]
        following = ", ".join(f"{name} {100 * value:.1f} %" for name, value in further)
        number = "" if answer.face is None else str(answer.face)
        when = ""
        if video:
            frame = "" if answer.frame is None else str(answer.frame)
            time = "" if answer.time is None else f"{answer.time:.3f} s"
            when = f"  {frame:>6}  {time:>9}"
        line = f"{in_text(answer.file):<{width}}{when}  {number:>4}  {_word(answer):<8}"
        yield f"{line}  {confidence:>10}  {following}".rstrip() + "\n"


def _word(answer: Answer) -> str:
    if answer.error is not None:
        return "error"
    return "no face" if answer.face is None else answer.label or "unsure"


def _json(answers: Iterable[Answer]) -> Iterator[str]:
    """One array, a piece for each answer."""
    mark = "[\n"
    for answer in answers:
        value = asdict(answer) | {
            "file": answer.file.encode("utf-8", "backslashreplace").decode(),
            "top": [{"label": name, "probability": value} for name, value in answer.top],
        }
        if answer.time is None:
            del value["frame"], value["time"]
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        yield mark + "".join(f"  {line}\n" for line in text.splitlines()).rstrip("\n")
        mark = ",\n"
    yield "[]\n" if mark == "[\n" else "\n]\n"


def _csv(answers: Iterable[Answer], video: bool) -> Iterator[str]:
    head = ["file", *(("frame", "time") if video else ()), "face", "left", "top", "width", "height"]
    yield _line([*head, "label", "confidence", *CLASSES, "error"])
    for answer in answers:
        box = answer.box
        when = [answer.frame, answer.time] if video else []
        yield _line(
            [
                harmless_cell(in_text(answer.file), is_path=True),
                *when,
                answer.face,
                *(("",) * 4 if box is None else (box.left, box.top, box.width, box.height)),
                answer.label,
                answer.confidence,
                *(answer.probabilities.get(name, "") for name in CLASSES),
                None if answer.error is None else harmless_cell(in_text(answer.error)),
            ]
        )


def _line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
