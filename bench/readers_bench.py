"""Do other readers of ONNX answer as onnxruntime does? OpenCV and OpenVINO.

Run: python -m bench.readers_bench [FILE …] [--faces 700] [--fer2013 FOLDER]

Without files, those of the ready network. Faces are drawn, or with --fer2013, which holds
fer2013.csv(.gz), those of PublicTest. For each reader and file: largest
difference of a probability, share of faces with the same answer, and time of one face on one
thread against onnxruntime, in turns. OpenVINO is installed without openvino-telemetry, which
reports on use.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import onnx
import openvino
import typer

from bench.peers.sets import read_faces
from fer_core.pixels.opencv import cv2
from fer_core.predict.predictor import Predictor
from fer_core.predict.ready import ready_model
from fer_core.sample.portrait import shoot

Run = Callable[[np.ndarray], np.ndarray]


def main(
    files: Annotated[list[Path] | None, typer.Argument()] = None,
    faces: int = 700,
    rounds: int = 200,
    fer2013: Annotated[Path | None, typer.Option(help="folder of the official table")] = None,
) -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    if fer2013 is None:
        images = [shoot(5, "readers", i, i % 7, 96, 2, freedom=0.6)[0] for i in range(faces)]
    else:
        images = read_faces(fer2013, "PublicTest").images
    typer.echo(
        "| file | reader | largest difference of a probability | same answer | time |\n"
        "|---|---|---:|---:|---:|"
    )
    for file in files or sorted(ready_model().parent.glob("*.onnx")):
        predictor, called = Predictor(file, threads=1), f"{file.parent.name}/{file.name}"
        prepared = predictor.prepare(images)
        expected = _all(own := _onnxruntime(predictor), prepared)
        for name, make in (("OpenCV", _opencv), ("OpenVINO", _openvino)):
            try:
                run = make(file)
                found = _all(run, prepared)
            except (cv2.error, RuntimeError) as error:
                typer.echo(f"| {called} | {name} | cannot be read: {_short(error)} | | |")
                continue
            same = (found.argmax(1) == expected.argmax(1)).mean()
            worst = np.abs(found - expected).max()
            ratio = _ratio(run, own, prepared[:1], rounds)
            typer.echo(f"| {called} | {name} | {worst:.1e} | {same:.1%} | {ratio:.2f} × |")


def _onnxruntime(predictor: Predictor) -> Run:
    return lambda batch: predictor.run(batch).probabilities


def _opencv(file: Path) -> Run:
    network = cv2.dnn.readNetFromONNX(str(file))

    def run(batch: np.ndarray) -> np.ndarray:
        network.setInput(batch.astype(np.float32), "image")
        return network.forward("probabilities")

    return run


def _openvino(file: Path) -> Run:
    core = openvino.Core()
    model = core.read_model(onnx.load(file).SerializeToString())
    compiled = core.compile_model(
        model,
        "CPU",
        {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"},
    )
    return lambda batch: compiled({"image": batch})["probabilities"]


def _all(run: Run, prepared: np.ndarray) -> np.ndarray:
    return np.concatenate([run(prepared[i : i + 1]).copy() for i in range(len(prepared))])


def _ratio(run: Run, own: Run, face: np.ndarray, rounds: int) -> float:
    """Median time of a face against onnxruntime's."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for one, taken in zip((run, own), times, strict=True):
            start = time.perf_counter()
            one(face)
            taken.append(time.perf_counter() - start)
    return median(times[0]) / median(times[1])


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[-1][:120].replace("|", "/")


if __name__ == "__main__":
    typer.run(main)
