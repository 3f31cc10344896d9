"""`fer predict`: expressions in image files, by an exported network."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from fer_core.deploy.detection import FaceBox, YuNet, crop_face
from fer_core.deploy.predictor import Predictor
from fer_core.errors import DataError, ParamsError
from fer_core.labels import CLASSES
from fer_core.sources.decode import decode_rgb

__all__ = ["OutputFormat", "predict"]

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}


class OutputFormat(StrEnum):
    """How the answers are printed."""

    table = "table"
    json = "json"
    csv = "csv"


@dataclass(frozen=True)
class Face:
    """A face in a file; number and crop are None for a file in which none was found."""

    file: Path
    number: int | None
    box: FaceBox | None
    crop: np.ndarray | None


@dataclass(frozen=True)
class Answer:
    """What is printed of one face, or of one file in which none was found (`face` is then None)."""

    file: str
    face: int | None
    box: FaceBox | None
    label: str | None
    confidence: float | None
    probabilities: dict[str, float]


def predict(
    inputs: Annotated[list[Path], typer.Argument(help="Images, or folders that are searched for images.")],
    model: Annotated[Path, typer.Option(help="File written by the onnx stage.")] = Path("data/onnx/student.fp32.onnx"),
    output: Annotated[OutputFormat, typer.Option("--format", help="How to print the answers.")] = OutputFormat.table,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Give no label below this confidence.")] = 0.0,
    batch: Annotated[int, typer.Option(min=1, help="Faces in one call of the network.")] = 32,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 means all cores.")] = 0,
    detect: Annotated[bool, typer.Option("--detect", help="Find the faces first; without it each image is taken as one face.")] = False,
    detector: Annotated[Path | None, typer.Option(help="YuNet file for --detect.", envvar="FER_DETECTOR")] = None,
) -> None:
    """Tell the expression of faces in images: probabilities of seven classes, calibrated."""
    files = _image_files(inputs)
    if detect and detector is None:
        raise ParamsError(
            "Finding faces needs a detector.", where="--detect", remedy="give its file with --detector FILE, or set FER_DETECTOR"
        )
    predictor = Predictor(model, threads=threads)
    yunet = YuNet(detector) if detect and detector is not None else None
    answers = _answers(files, predictor, yunet, batch, threshold)
    typer.echo({"table": _table, "json": _json, "csv": _csv}[output](answers), nl=False)


def _image_files(inputs: Iterable[Path]) -> list[Path]:
    """Files given, and all images below folders given, in the order of their paths.

    Raises:
        DataError: a path that is not there, or a folder without images.
    """
    files: list[Path] = []
    for path in inputs:
        if path.is_file():
            files.append(path)
            continue
        if not path.is_dir():
            raise DataError("There is no such file or folder.", where=path)
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
        if not found:
            raise DataError("This folder holds no images.", where=path, expected=f"files that end in {', '.join(sorted(_SUFFIXES))}")
        files += found
    return files


def _answers(files: Iterable[Path], predictor: Predictor, detector: YuNet | None, batch: int, threshold: float) -> Iterator[Answer]:
    faces = _faces(files, detector)
    while group := list(itertools.islice(faces, batch)):
        predictions = predictor.predict([face.crop for face in group if face.crop is not None], batch=batch)
        found = zip(predictions.decide(threshold), predictions.confidence, predictions.probabilities, strict=True)
        for face in group:
            if face.crop is None:
                yield Answer(str(face.file), None, None, None, None, {})
                continue
            label, confidence, row = next(found)
            probabilities = {name: round(float(value), 6) for name, value in zip(CLASSES, row, strict=True)}
            yield Answer(str(face.file), face.number, face.box, label, round(float(confidence), 6), probabilities)


def _faces(files: Iterable[Path], detector: YuNet | None) -> Iterator[Face]:
    """Every face of every file; a file in which the detector finds none gives one entry without a crop."""
    for file in files:
        image = decode_rgb(file.read_bytes(), where=file)
        if detector is None:
            yield Face(file, 0, None, image)
            continue
        boxes = detector.detect(image)
        if not boxes:
            yield Face(file, None, None, None)
        for number, box in enumerate(boxes):
            yield Face(file, number, box, crop_face(image, box))


def _table(answers: Iterable[Answer]) -> str:
    rows = [("file", "face", "label", "confidence")]
    for answer in answers:
        label = "no face" if answer.face is None else answer.label or "unsure"
        confidence = "" if answer.confidence is None else f"{100 * answer.confidence:.1f} %"
        rows.append((answer.file, "" if answer.face is None else str(answer.face), label, confidence))
    width = [max(len(row[column]) for row in rows) for column in range(3)]
    return "".join(f"{file:<{width[0]}}  {face:>{width[1]}}  {label:<{width[2]}}  {value:>10}\n" for file, face, label, value in rows)


def _json(answers: Iterable[Answer]) -> str:
    return json.dumps([asdict(answer) for answer in answers], indent=2, ensure_ascii=False) + "\n"


def _csv(answers: Iterable[Answer]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "face", "left", "top", "width", "height", "label", "confidence", *CLASSES])
    for answer in answers:
        box = ("", "", "", "") if answer.box is None else (answer.box.left, answer.box.top, answer.box.width, answer.box.height)
        probabilities = [answer.probabilities.get(name, "") for name in CLASSES]
        writer.writerow([answer.file, answer.face, *box, answer.label, answer.confidence, *probabilities])
    return text.getvalue()
