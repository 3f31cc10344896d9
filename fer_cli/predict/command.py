"""`fer predict`: expressions in image files, by an exported network."""

import contextlib
import itertools
import logging
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from fer_cli.apart import refuse_inside
from fer_cli.predict.answering import Answering
from fer_cli.predict.drawing import annotated, annotated_names
from fer_cli.predict.faces import FaceReader
from fer_cli.predict.inputs import MAX_PIXELS, Item, image_files, read_photo
from fer_cli.predict.output import Answer, OutputFormat, in_text, rendered
from fer_cli.predict.telling import tell_of_network
from fer_cli.predict.threshold import Threshold, least_confidence
from fer_cli.predict.videos import Videos, annotated_videos
from fer_core.base.files import new_file
from fer_core.base.labels import CLASSES
from fer_core.base.logs import progress_off
from fer_core.pixels.opencv import cv2
from fer_core.predict.detection import MARGIN, YuNet
from fer_core.predict.fetching import detector_file, fetch_detector, fetched_detector
from fer_core.predict.onnx_runtime import onnxruntime
from fer_core.predict.predictor import Predictor, read_logit_bias
from fer_core.predict.ready import default_model

__all__ = ["fetch", "predict"]

log = logging.getLogger(__name__)


class Provider(StrEnum):
    """Where the network runs."""

    cpu = "cpu"
    cuda = "cuda"


_PROVIDERS = {Provider.cpu: "CPUExecutionProvider", Provider.cuda: "CUDAExecutionProvider"}


def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="Images, videos, folders that are searched for images, or CSV files with a column "
            "of paths."
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            help="Exported ONNX file; default: this project's own student where it learned from "
            "photos of people, else the ready network."
        ),
    ] = None,
    output: Annotated[
        OutputFormat, typer.Option("--format", help="How to print the answers.")
    ] = OutputFormat.table,
    top: Annotated[
        int,
        typer.Option(
            min=1, max=len(CLASSES), help="How many classes to name for a face in table and JSON."
        ),
    ] = 1,
    threshold: Threshold = "0",
    batch: Annotated[int, typer.Option(min=1, help="Faces in one call of the network.")] = 32,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 means all cores.")] = 0,
    provider: Annotated[
        Provider, typer.Option(help="Where the network runs; the detector runs on the CPU.")
    ] = Provider.cpu,
    detect: Annotated[
        bool,
        typer.Option(
            "--detect", help="Find the faces first; without it each image is taken as one face."
        ),
    ] = False,
    detector: Annotated[
        Path | None,
        typer.Option(
            help="YuNet file for --detect; default: the one that came with the requirements.",
            envvar="FER_DETECTOR",
        ),
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            min=-0.4,
            max=1,
            help="Added to each side of a detected face, as a share of the longer side of its box.",
        ),
    ] = MARGIN,
    annotate: Annotated[
        Path | None,
        typer.Option(
            help="Write copies of images and videos, with boxes and labels, to this folder."
        ),
    ] = None,
    logit_bias: Annotated[
        Path | None, typer.Option(help="JSON: what to add to the logit of each class.")
    ] = None,
    max_pixels: Annotated[
        int, typer.Option(min=1, max=2**30, help="Refuse images of more pixels.")
    ] = MAX_PIXELS,
    every: Annotated[
        int, typer.Option(min=1, help="Of a video, look at every so many frames.")
    ] = 1,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first image that cannot be read.")
    ] = False,
) -> None:
    """Tell the expression of faces in images and videos: probabilities of seven classes,
    calibrated.

    An image that cannot be read gets an answer with its error, and the exit status is then 1.
    """
    if annotate is not None:
        refuse_inside(inputs, annotate, "copies", "pictures", "_drawn")
    items = image_files(inputs)
    videos = [item.file for item in items if item.is_video and item.fault is None]
    images = [item.file for item in items if not item.is_video and item.fault is None]
    copies = {} if annotate is None else annotated_names(images, annotate)
    video_copies = annotated_videos(videos, annotate)
    bias = None if logit_bias is None else read_logit_bias(logit_bias)
    model = model or default_model()
    predictor = _predictor(model, provider, threads, bias)
    yunet = YuNet(detector or detector_file()) if detect else None
    reader = FaceReader(predictor, yunet, margin, max_pixels, strict)
    least = least_confidence(threshold, predictor, model)
    answering = Answering(predictor, batch, least, top)
    of_videos = Videos(reader, answering, every, video_copies)
    bar = tqdm(
        items, desc="predict", unit="file", leave=False, disable=progress_off() or len(items) == 1
    )
    of_images: list[Answer] = []
    answers = _noted(_answers(bar, reader, answering, of_videos), of_images)
    if not videos:  # few enough to wait for them, so that a fault on the way prints nothing
        answers = iter(list(answers))
        _write_copies(copies, of_images, max_pixels)
    width = max((len(in_text(str(item.file))) for item in items), default=0)
    pieces = rendered(answers, output, width, video=bool(videos), others=top > 1 or least > 0)
    for piece in pieces:
        typer.echo(piece, nl=False)
    if videos:
        _write_copies(copies, of_images, max_pixels)
    _tell_of_faults(reader, answering, len(items))
    if reader.unread or answering.unsound:
        raise typer.Exit(1)


def _predictor(model: Path, provider: Provider, threads: int, bias: np.ndarray | None) -> Predictor:
    """The network; what the user should know of it is told."""
    if provider is Provider.cuda:
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it misses
            onnxruntime.preload_dlls()
    predictor = Predictor(model, [_PROVIDERS[provider]], threads, bias)
    tell_of_network(predictor, model)
    return predictor


def _tell_of_faults(reader: FaceReader, answering: Answering, files: int) -> None:
    """Log which of so many files have no answer, or one that may be of no use."""
    if reader.photos:
        log.warning(
            "%d of %d images look like photos and were taken as one face each, the first is %s: "
            "--detect finds the faces in them",
            len(reader.photos),
            files,
            in_text(str(reader.photos[0])),
        )
    if answering.unsound:
        log.error("%d faces got no finite answer from the network", answering.unsound)
    if reader.unread:
        log.error("%d of %d images could not be read", len(reader.unread), files)


def _answers(
    items: Iterable[Item], reader: FaceReader, answering: Answering, videos: Videos
) -> Iterator[Answer]:
    """Of images in batches, of videos frame by frame, in the order in which they were given."""
    for is_video, group in itertools.groupby(items, lambda item: item.is_video and not item.fault):
        if is_video:
            for item in group:
                yield from videos.answers(item.file)
        else:
            yield from answering.all(reader.faces(group))


def _noted(answers: Iterator[Answer], of_images: list[Answer]) -> Iterator[Answer]:
    """The same answers; those of images are kept for their copies."""
    for answer in answers:
        if answer.time is None:
            of_images.append(answer)
        yield answer


def fetch(
    to: Annotated[
        Path | None,
        typer.Option(
            help="File to write; default: this user's cache, where `fer predict --detect` looks."
        ),
    ] = None,
) -> None:
    """Write the face detector (YuNet, MIT licence) to a file: what came with the requirements, else
    from the OpenCV model zoo; its hash is checked.
    """
    typer.echo(fetch_detector(to or fetched_detector()))


def _write_copies(copies: dict[Path, Path], answers: list[Answer], max_pixels: int) -> None:
    of_image: dict[Path, dict[int | None, Answer]] = {}
    for answer in answers:
        if answer.error is None and copies:
            of_image.setdefault(Path(answer.file).resolve(), {})[answer.face] = answer
    for image, found in of_image.items():
        drawn = annotated(read_photo(image, max_pixels), found.values())
        with new_file(copies[image]) as temporary:
            temporary.write_bytes(
                cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))[1].tobytes()
            )
