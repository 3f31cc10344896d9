"""What `fer predict` answers, as a table for people, JSON or CSV."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from fer_core.base.errors import FerError
from fer_core.base.labels import CLASSES
from fer_core.predict.detection import FaceBox

__all__ = ["Answer", "OutputFormat", "in_one_line", "rendered"]


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
        face: its number in the file.
        box: where it is, if faces were looked for.
        label: the most probable class; None below the threshold.
        confidence: probability of the most probable class.
        top: the most probable classes with their probabilities, as many as were asked for.
        probabilities: of all classes.
        error: why the file cannot be read.
    """

    file: str
    face: int | None
    box: FaceBox | None
    label: str | None
    confidence: float | None
    top: list[tuple[str, float]]
    probabilities: dict[str, float]
    error: str | None = None


def in_one_line(error: FerError) -> str:
    """What is wrong, what was found and what to do, without the place."""
    parts = [("found", error.found), ("expected", error.expected), ("remedy", error.remedy)]
    details = "; ".join(f"{name}: {value}" for name, value in parts if value is not None)
    return " ".join(f"{error.problem} ({details})".split()) if details else error.problem


def rendered(answers: Iterable[Answer], output: OutputFormat) -> str:
    """The answers as text that ends in a newline."""
    return {"table": _table, "json": _json, "csv": _csv}[output](answers)


def _table(answers: Iterable[Answer]) -> str:
    rows = [("file", "face", "label", "confidence", "next")]
    for answer in answers:
        label = _word(answer)
        confidence = "" if answer.confidence is None else f"{100 * answer.confidence:.1f} %"
        others = answer.top if answer.face is not None and answer.label is None else answer.top[1:]
        following = ", ".join(f"{name} {100 * value:.1f} %" for name, value in others)
        rows.append(
            (
                answer.file,
                "" if answer.face is None else str(answer.face),
                label,
                confidence,
                following,
            )
        )
    if not any(row[4] for row in rows[1:]):
        rows = [(*row[:4], "") for row in rows]
    width = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = (
        f"{file:<{width[0]}}  {face:>{width[1]}}  {label:<{width[2]}}  {value:>10}  {others}"
        for file, face, label, value, others in rows
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _word(answer: Answer) -> str:
    if answer.error is not None:
        return "error"
    return "no face" if answer.face is None else answer.label or "unsure"


def _json(answers: Iterable[Answer]) -> str:
    values = [
        asdict(answer)
        | {"top": [{"label": name, "probability": value} for name, value in answer.top]}
        for answer in answers
    ]
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _csv(answers: Iterable[Answer]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["file", "face", "left", "top", "width", "height", "label", "confidence", *CLASSES, "error"]
    )
    for answer in answers:
        box = (
            ("", "", "", "")
            if answer.box is None
            else (answer.box.left, answer.box.top, answer.box.width, answer.box.height)
        )
        probabilities = [answer.probabilities.get(name, "") for name in CLASSES]
        writer.writerow(
            [
                answer.file,
                answer.face,
                *box,
                answer.label,
                answer.confidence,
                *probabilities,
                answer.error,
            ]
        )
    return text.getvalue()
