"""The live engine: how fast it is beside a loop that only detects and classifies, and what the
rules of smoothing do on scripted clips.

Run: python -m bench.live_bench --model student.fp32.onnx [--fer2013 fer2013.csv]

- Speed: a recorded clip of 640 x 480, on one thread. Rounds of the engine with its session files
  and of a bare loop (YuNet at 320 pixels, crop, prepare, one call of the network; nothing is
  tracked, smoothed or written) take turns in one run; the ratio is that of the medians of CPU time
  a frame.
- Memory: resident bytes of a recorded session at its 200th and at its last frame.
- Rules: labelled faces shown for 1 to 3 s each with jitter, zoom, changing light and noise, cut and
  answered as in a session; drawn faces, or PublicTest pictures of FER2013.
"""

import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer

from bench.peers.sets import read_faces
from fer_cli.live.setting import prepare
from fer_cli.predict.video_file import VideoOut
from fer_core.base.logs import setup_logging
from fer_core.live.frames import Frame, Source
from fer_core.live.scoring import Scored, score
from fer_core.live.smoothing import Smoother
from fer_core.live.sources import open_source
from fer_core.live.specification import Score, Smooth, Specification
from fer_core.pixels.opencv import cv2
from fer_core.predict.detection import YuNet, crop_face
from fer_core.predict.fetching import detector_file
from fer_core.predict.predictor import Predictor
from fer_core.sample.portrait import shoot

log = logging.getLogger("bench.live")

RATE, ROUNDS = 30, 5
RULES = {
    "raw": Smooth(tau_s=0, hold_s=0, enter=0.0, leave=0.0, floor=1e-6),
    "default": Smooth(),
    "tau .35, enter .55, leave .40": Smooth(tau_s=0.35, enter=0.55, leave=0.40),
    "tau .20, enter .50, leave .35": Smooth(tau_s=0.2, enter=0.5, leave=0.35),
    "tau .10": replace(Smooth(), tau_s=0.1),
    "tau .20": replace(Smooth(), tau_s=0.2),
    "enter .35": replace(Smooth(), enter=0.35),
    "enter .45": replace(Smooth(), enter=0.45),
    "original": Smooth(mode="original"),
}

Faces = Callable[[np.random.Generator], tuple[int, np.ndarray]]
Clip = list[tuple[float, int, np.ndarray]]
"""Time, label and probabilities of each frame."""


def main(
    model: Annotated[Path, typer.Option()],
    fer2013: Annotated[Path | None, typer.Option(help="the official table")] = None,
    seconds: Annotated[int, typer.Option(help="of the clip for speed")] = 20,
    clips: Annotated[int, typer.Option(help="scripted clips of 90 s")] = 4,
    frames: Annotated[int, typer.Option(help="of the session for memory")] = 3000,
) -> None:
    """Measure speed and memory, then rules."""
    setup_logging()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        _speed(model, Path(folder), seconds)
        _memory(model, Path(folder), frames)
    faces = _drawn if fer2013 is None else _of_fer2013(fer2013)
    predictor = Predictor(model, threads=1)
    _rules([_scripted(seed, faces, predictor) for seed in range(clips)])


def _speed(model: Path, folder: Path, seconds: int) -> None:
    video = folder / "clip.mkv"
    with VideoOut(video, RATE) as clip:
        for index in range(seconds * RATE):
            clip.add(_photo(index))
    spent: dict[str, list[float]] = {"engine": [], "bare loop": []}
    clock: dict[str, list[float]] = {"engine": [], "bare loop": []}
    for turn in range(ROUNDS):
        for name, run in (("engine", _engine), ("bare loop", _bare)):
            start, begin = time.process_time(), time.perf_counter()
            frames = run(model, video, folder / f"session-{turn}")
            spent[name].append(1000 * (time.process_time() - start) / frames)
            clock[name].append(1000 * (time.perf_counter() - begin) / frames)
    middle = {name: statistics.median(values) for name, values in spent.items()}
    print("| 640 x 480, one thread | CPU ms a frame | frames a CPU second | wall ms a frame |")
    print("|---|---:|---:|---:|")
    for name, value in middle.items():
        wall = statistics.median(clock[name])
        print(f"| {name} | {value:.2f} | {1000 / value:.0f} | {wall:.2f} |")
    ratio = middle["bare loop"] / middle["engine"]
    print(f"\nengine at {ratio:.3f} of the bare loop, median of {ROUNDS} rounds each")


class _Photos(Source):
    """Frames that are drawn when they are asked for."""

    kind, name, waits = "photos", "photos", True

    def __init__(self, count: int) -> None:
        self.count = count

    def frames(self) -> Iterator[Frame]:
        for index in range(self.count or 0):
            yield Frame(index, index / RATE, _photo(index))

    def close(self) -> None:
        """Nothing is open."""


def _memory(model: Path, folder: Path, frames: int) -> None:
    session = prepare(model, Specification()).watch(_Photos(frames), folder / "long")
    session.writer.record(True)
    resident = [
        psutil.Process().memory_info().rss / 1e6
        for result in session.results()
        if result.frame.index + 1 in (200, frames)
    ]
    print(f"recorded session from frame 200 to {frames}: {resident[-1] - resident[0]:+.1f} MB")


def _photo(index: int) -> np.ndarray:
    """A drawn face that moves and changes in a frame of 640 x 480."""
    image = np.full((480, 640, 3), 110, np.uint8)
    face = _portrait("speed", index // 45 % 7, index // 45 % 7)
    left, top = 200 + round(30 * np.sin(index / 20)), 120 + round(20 * np.cos(index / 13))
    image[top : top + 220, left : left + 220] = cv2.resize(face, (220, 220))
    noise = np.random.default_rng(index).normal(0, 4, (480, 640, 1))
    return np.clip(image + noise, 0, 255).astype(np.uint8)


_PORTRAITS: dict[tuple[str, int, int], np.ndarray] = {}


def _portrait(name: str, number: int, label: int) -> np.ndarray:
    key = (name, number, label)
    if key not in _PORTRAITS:
        _PORTRAITS[key] = shoot(7, name, number, label, 120, 2, freedom=0.3)[0]
    return _PORTRAITS[key]


def _engine(model: Path, video: Path, folder: Path) -> int:
    setting = prepare(model, Specification())
    return _count(setting.watch(open_source(str(video)), folder).results())


def _bare(model: Path, video: Path, folder: Path) -> int:
    predictor, yunet = Predictor(model, threads=1), YuNet(detector_file())
    frames = 0
    for frame in open_source(str(video)).frames():
        crops = [crop_face(frame.image, box) for box in yunet.detect(frame.image, 320)]
        if crops:
            predictor.run(predictor.prepare(crops))
        frames += 1
    return frames


def _count(results: Iterable[object]) -> int:
    return sum(1 for _ in results)


def _drawn(rng: np.random.Generator) -> tuple[int, np.ndarray]:
    label = int(rng.integers(0, 7))
    return label, _portrait("scripted", int(rng.integers(0, 300)), label)


def _of_fer2013(table: Path) -> Faces:
    faces = read_faces(table, "PublicTest")

    def one(rng: np.random.Generator) -> tuple[int, np.ndarray]:
        index = int(rng.choice(np.flatnonzero(faces.labels == rng.integers(0, 7))))
        return int(faces.labels[index]), cv2.resize(faces.images[index], (120, 120))

    return one


def _scripted(seed: int, faces: Faces, predictor: Predictor) -> Clip:
    """Answers for 90 s of faces that move as people before a camera do."""
    rng, now, clip = np.random.default_rng(seed), 0.0, []
    while now < 90:
        label, face = faces(rng)
        until, place, light = now + rng.uniform(1, 3), np.zeros(3), 1.0
        times, crops = [], []
        while now < until:
            place = 0.9 * place + rng.normal(0, (1.5, 1.5, 1.2))
            light = 0.95 * light + 0.05 + rng.normal(0, 0.02)
            zoom = 1 + place[2] / 60
            moved = np.array([[zoom, 0, 20 + place[0]], [0, zoom, 20 + place[1]]], np.float32)
            image = cv2.warpAffine(face, moved, (160, 160), borderMode=cv2.BORDER_REPLICATE)
            image = np.clip(image * light + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
            off = int(rng.integers(-3, 4))  # of the detector
            crops.append(np.ascontiguousarray(image[20 + off : 140 + off, 20 - off : 140 - off]))
            times.append(now)
            now += 1 / RATE
        rows = predictor.predict(crops).probabilities
        clip += [(at, label, row) for at, row in zip(times, rows, strict=True)]
    return clip


def _rules(clips: list[Clip]) -> None:
    print("\n| rules | flips a minute | in segments | delay, ms | macro-F1 | coverage |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, rules in RULES.items():
        found = [score(_played(clip, rules), Score(resamples=0)) for clip in clips]
        values = [
            [one["flips_per_min"]["smoothed"]["all"] for one in found],
            [one["flips_per_min"]["smoothed"]["scored"] for one in found],
            [one["switch_delay_ms"]["smoothed"]["median"] for one in found],
            [one["metrics"]["smoothed"]["macro_f1_present"] for one in found],
            [one["metrics"]["smoothed"]["coverage"] for one in found],
        ]
        cells = [
            "-" if None in row else f"{statistics.mean(row):.{digits}f}"
            for row, digits in zip(values, (1, 1, 0, 3, 3), strict=True)
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def _played(clip: Clip, rules: Smooth) -> list[Scored]:
    smoother, frames = Smoother(rules), []
    for at, label, row in clip:
        shown = tuple(smoother.update(at, row))
        answer = -1 if smoother.label is None else smoother.label
        frames.append(Scored(at, label, int(row.argmax()), answer, tuple(row), shown))
    return frames


if __name__ == "__main__":
    typer.run(main)
