"""`fer predict`: expressions in image files, by an exported network."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from tqdm import tqdm

from fer_cli.predict_drawing import annotated, annotated_names
from fer_cli.predict_inputs import image_files
from fer_cli.predict_output import Answer, OutputFormat, rendered
from fer_core.deploy.detection import FaceBox, YuNet, crop_face
from fer_core.deploy.fetching import detector_file, fetch_detector
from fer_core.deploy.logit_bias import read_logit_bias
from fer_core.deploy.predictor import Predictor
from fer_core.files import new_file
from fer_core.labels import CLASSES
from fer_core.logs import progress_off
from fer_core.sources.decode import decode_rgb

__all__ = ["fetch", "predict"]


@dataclass(frozen=True)
class Face:
    """A face in a file; number and crop are None for a file in which none was found."""

    file: Path
    number: int | None
    box: FaceBox | None
    crop: np.ndarray | None


def predict(
    inputs: Annotated[
        list[Path], typer.Argument(help="Images, folders that are searched for images, or CSV files with a column of paths.")
    ],
    model: Annotated[Path, typer.Option(help="File written by the onnx stage.")] = Path("data/onnx/student.fp32.onnx"),
    output: Annotated[OutputFormat, typer.Option("--format", help="How to print the answers.")] = OutputFormat.table,
    top: Annotated[int, typer.Option(min=1, max=len(CLASSES), help="How many classes to name for a face in table and JSON.")] = 1,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Give no label below this confidence.")] = 0.0,
    batch: Annotated[int, typer.Option(min=1, help="Faces in one call of the network.")] = 32,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 means all cores.")] = 0,
    detect: Annotated[bool, typer.Option("--detect", help="Find the faces first; without it each image is taken as one face.")] = False,
    detector: Annotated[
        Path | None, typer.Option(help="YuNet file for --detect; default: what `fer fetch-detector` fetched.", envvar="FER_DETECTOR")
    ] = None,
    annotate: Annotated[Path | None, typer.Option(help="Write a copy of each image with boxes and labels to this folder.")] = None,
    logit_bias: Annotated[Path | None, typer.Option(help="JSON: what to add to the logit of each class.")] = None,
) -> None:
    """Tell the expression of faces in images: probabilities of seven classes, calibrated."""
    files = image_files(inputs)
    copies = None if annotate is None else annotated_names(files, annotate)
    predictor = Predictor(model, threads=threads, logit_bias=None if logit_bias is None else read_logit_bias(logit_bias))
    yunet = YuNet(detector or detector_file()) if detect else None
    bar = tqdm(files, desc="predict", unit="image", leave=False, disable=progress_off() or len(files) == 1)
    answers = list(_answers(bar, predictor, yunet, batch, threshold, top))
    if copies is not None:
        _write_copies(copies, answers)
    typer.echo(rendered(answers, output), nl=False)


def fetch(
    to: Annotated[Path | None, typer.Option(help="File to write; default: this user's cache, where `fer predict --detect` looks.")] = None,
) -> None:
    """Fetch the face detector (YuNet, MIT licence) from the OpenCV model zoo; its hash is checked."""
    typer.echo(fetch_detector(to or detector_file()))


def _answers(
    files: Iterable[Path], predictor: Predictor, detector: YuNet | None, batch: int, threshold: float, top: int
) -> Iterator[Answer]:
    faces = _faces(files, detector)
    while group := list(itertools.islice(faces, batch)):
        predictions = predictor.predict([face.crop for face in group if face.crop is not None], batch=batch)
        found = zip(predictions.decide(threshold), predictions.confidence, predictions.probabilities, predictions.top(top), strict=True)
        for face in group:
            if face.crop is None:
                yield Answer(str(face.file), None, None, None, None, [], {})
                continue
            label, confidence, row, best = next(found)
            probabilities = {name: round(float(value), 6) for name, value in zip(CLASSES, row, strict=True)}
            first = [(name, probabilities[name]) for name, _ in best]
            yield Answer(str(face.file), face.number, face.box, label, round(float(confidence), 6), first, probabilities)


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


def _write_copies(copies: dict[Path, Path], answers: list[Answer]) -> None:
    of_image: dict[Path, dict[int | None, Answer]] = {}
    for answer in answers:
        of_image.setdefault(Path(answer.file).resolve(), {})[answer.face] = answer
    for image, copy in copies.items():
        drawn = annotated(decode_rgb(image.read_bytes(), where=image), of_image[image].values())
        with new_file(copy) as temporary:
            temporary.write_bytes(cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))[1].tobytes())
