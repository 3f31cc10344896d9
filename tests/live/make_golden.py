"""Writes the golden vectors that Python's and the page's engines are both held to:

    python -m tests.live.make_golden                                  # tests/live/golden/*.jsonl
    python -m tests.live.make_golden --model FILE --to answers.jsonl  # of one network, not committed

One JSON object a line; `docs/live.md` describes the fields. Pictures are base64 of RGB rows.
"""

import argparse
import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_core.base.labels import CLASSES, INDEX, NEVER
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.live.scoring import Scored, score
from fer_core.live.smoothing import Smoother
from fer_core.live.specification import Score, Smooth, Track
from fer_core.live.tracking import Tracker
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.calibration import ClassCalibration
from fer_core.predict.detection import MARGIN, FaceBox, YuNet, crop_face, shrunk_to
from fer_core.predict.fetching import detector_file
from fer_core.predict.metadata import OnnxMetadata
from fer_core.predict.predictor import Predictor
from fer_core.sample.portrait import shoot

GOLDEN = Path(__file__).parent / "golden"
MEANS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

Line = dict[str, Any]


def picture(seed: int, width: int, height: int) -> np.ndarray:
    """Smooth colours with noise, uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)


def photo() -> np.ndarray:
    """Two drawn faces on a plain ground, uint8 [72, 132, 3]."""
    image = np.full((72, 132, 3), 110, np.uint8)
    for number, (left, top, side) in {19: (4, 6, 60), 15: (72, 12, 54)}.items():
        face = shoot(7, "golden", number, 3, 140, 2, freedom=0.3)[0]
        image[top : top + side, left : left + side] = cv2.resize(
            face, (side, side), interpolation=cv2.INTER_AREA
        )
    return image


def encoded(image: np.ndarray) -> Line:
    height, width = image.shape[:2]
    return {
        "width": width,
        "height": height,
        "rgb": base64.b64encode(np.ascontiguousarray(image).tobytes()).decode(),
    }


def decoded(value: Line) -> np.ndarray:
    flat = np.frombuffer(base64.b64decode(value["rgb"]), dtype=np.uint8)
    return flat.reshape(value["height"], value["width"], 3)


def pictures() -> Iterator[Line]:
    """Crops, shrunk copies and prepared faces."""
    settings = {
        "area, even": (Preprocessing(32, 1.0, False, 2.0, 8, *MEANS), 64, 66),
        "area, odd": (Preprocessing(32, 1 / 1.15, False, 2.0, 8, *MEANS), 61, 58),
        "linear": (Preprocessing(40, 1 / 1.15, False, 2.0, 8, *MEANS), 29, 33),
        "as it is": (Preprocessing(32, 1.0, False, 2.0, 8, *MEANS), 32, 40),
        "clahe, tiles fit": (Preprocessing(32, 1 / 1.15, True, 2.0, 4, *MEANS), 48, 52),
        "clahe, tiles do not fit": (Preprocessing(42, 1.0, True, 4.0, 8, *MEANS), 42, 42),
    }
    for seed, (name, (preprocessing, width, height)) in enumerate(settings.items()):
        image = picture(seed, width, height)
        yield {
            "kind": "prepare",
            "name": name,
            "preprocessing": preprocessing.to_dict(),
            "resized": preprocessing.resized,
            "image": encoded(image),
            "expected": encoded(preprocessing.prepare(image)),
        }
    image = picture(20, 40, 30)
    for name, box, margin in (
        ("inside", (10, 5, 15, 18), MARGIN),
        ("beyond the edges", (-4, 14, 20, 22), 0.25),
        ("wide", (20, 3, 19, 8), 0.0),
    ):
        yield {
            "kind": "crop",
            "name": name,
            "box": box,
            "margin": margin,
            "image": encoded(image),
            "expected": encoded(crop_face(image, FaceBox(*box, 1.0), margin)),
        }
    for name, longest, size in (("by a whole number", 24, (48, 36)), ("by a part", 33, (47, 36))):
        image = picture(30, *size)
        yield {
            "kind": "shrink",
            "name": name,
            "longest_side": longest,
            "image": encoded(image),
            "expected": encoded(shrunk_to(image, longest)),
        }


def detection() -> Iterator[Line]:
    """Faces that YuNet finds, as it is and in a smaller copy."""
    image, yunet = photo(), YuNet(detector_file())
    for longest in (320, 120):
        found = yunet.detect(image, longest_side=longest)
        yield {
            "name": f"at most {longest}",
            "longest_side": longest,
            "score": 0.7,
            "overlap": 0.3,
            **({"image": encoded(image)} if longest == 320 else {"image": None}),
            "boxes": [[box.left, box.top, box.width, box.height] for box in found],
            "scores": [box.score for box in found],
        }


def metadata(by_class: ClassCalibration | None) -> OnnxMetadata:
    preprocessing = Preprocessing(32, 1.0, False, 2.0, 8, *MEANS)
    facts = ("a" * 64, "b" * 64, "for tests")
    return OnnxMetadata("small", "fp32", preprocessing, 1.7, *facts, by_class=by_class)


def calibration() -> Iterator[Line]:
    """Probabilities of logits under what a file may carry; one class is never answered."""
    rng = np.random.default_rng(9)
    bias = tuple(np.round(rng.normal(0, 1, 7), 4).tolist())
    scale = tuple(np.round(rng.uniform(0.3, 1.5, 7), 4).tolist())
    for name, carried in (
        ("a temperature", None),
        ("a temperature and a bias of each class", ClassCalibration((1 / 1.7,) * 7, bias)),
        ("a scale and a bias of each class", ClassCalibration(scale, bias)),
    ):
        for absent in (False, True):
            logits = np.round(rng.normal(0, 4, 7), 4)
            logits[2] = NEVER if absent else logits[2]
            made = metadata(carried)
            yield {
                "name": f"{name}{', one class never answered' if absent else ''}",
                "network": {
                    "temperature": made.temperature,
                    **({"by_class": carried.to_dict()} if carried else {}),
                },
                "logits": logits.tolist(),
                "probabilities": softmax(made.calibrated(logits)).tolist(),
            }


def tracking() -> Iterator[Line]:
    """By hand where the name says so, else walks of several faces with gaps."""
    by_hand = {
        "by hand: overlap keeps the number": [
            (0.0, [(10, 10, 20, 20)]),
            (0.1, [(12, 11, 20, 20)]),
        ],
        "by hand: a jump of half a face keeps it, of a whole one does not": [
            (0.0, [(0, 0, 20, 20)]),
            (0.1, [(11, 0, 20, 20)]),
            (0.2, [(40, 0, 20, 20)]),
        ],
        "by hand: half a second without a face keeps it, more does not": [
            (0.0, [(0, 0, 20, 20)]),
            (0.25, []),
            (0.5, [(0, 0, 20, 20)]),
            (1.1, [(0, 0, 20, 20)]),
        ],
        "by hand: of two boxes the one of the greater overlap": [
            (0.0, [(0, 0, 20, 20)]),
            (0.1, [(6, 0, 20, 20), (1, 0, 20, 20)]),
        ],
        "by hand: the main face stays the main face": [
            (0.0, [(0, 0, 20, 20), (100, 0, 30, 30)]),
            (0.1, [(0, 0, 60, 60), (100, 0, 30, 30)]),
            (0.2, [(0, 0, 20, 20)]),
            (0.8, [(0, 0, 20, 20)]),
        ],
    }
    for seed in range(4):
        rng = np.random.default_rng(seed)
        boxes = np.column_stack([rng.integers(0, 260, 4), rng.integers(0, 160, 4)]).astype(float)
        sizes, speed = rng.integers(20, 60, 4).astype(float), rng.normal(0, 60, (4, 2))
        time, frames = 0.0, []
        for _ in range(25):
            step = float(np.round(rng.uniform(0.02, 0.2), 4))
            time = round(time + step, 4)
            boxes += speed * step
            seen = rng.permutation(4)[: rng.integers(2, 5)]
            frames.append(
                (time, [(*map(int, boxes[i]), int(sizes[i]), int(1.2 * sizes[i])) for i in seen])
            )
        by_hand[f"walk {seed}"] = frames
    for name, frames in by_hand.items():
        tracker = Tracker(Track())
        lines = []
        for time, found in frames:
            ids = tracker.update(time, found)
            lines.append({"time": time, "boxes": found, "ids": ids, "main": tracker.main})
        yield {"name": name, "rules": asdict(Track()), "frames": lines}


def answers(seed: int, count: int, steady: float) -> list[tuple[float, list[float]]]:
    """Times with a variable step, and noisy answers of a face whose expression changes."""
    rng = np.random.default_rng(seed)
    time, found = 0.0, []
    for index in range(count):
        time = round(
            time + float(rng.choice([0.02, 0.033, 0.05, 0.4], p=[0.3, 0.4, 0.25, 0.05])), 4
        )
        logits = rng.normal(0, 1.5, 7)
        logits[(seed + index // 15) % 7] += steady
        powers = np.exp(logits - logits.max())
        found.append((time, np.round(powers / powers.sum(), 6).tolist()))
    return found


def one(label: str, value: float = 0.94) -> list[float]:
    row = [(1 - value) / 6] * 7
    row[INDEX[label]] = value
    return [round(number, 6) for number in row]


def smoothing() -> Iterator[Line]:
    """By hand where the name says so, else noisy answers in both modes and with other rules."""
    switch = [(round(0.1 * step, 1), one("Happy" if step < 5 else "Sad")) for step in range(14)]
    spike = [(round(0.1 * step, 1), one("Fear" if step == 5 else "Happy")) for step in range(9)]
    cases = {
        "by hand: a switch of label": (Smooth(), switch),
        "by hand: one odd frame changes nothing": (Smooth(), spike),
        "by hand: flat answers are uncertain": (
            Smooth(),
            [(0.0, [round(1 / 7, 6)] * 7), (0.5, [round(1 / 7, 6)] * 7)],
        ),
        "by hand: no smoothing": (Smooth(tau_s=0, hold_s=0), switch),
        "noisy": (Smooth(), answers(1, 60, 2.5)),
        "noisier": (Smooth(), answers(2, 50, 1.2)),
        "other rules": (
            Smooth(tau_s=0.1, enter=0.5, enter_of={"Sad": 0.8}, leave=0.3, hold_s=0.3, floor=0.01),
            answers(3, 60, 1.5),
        ),
        "original": (Smooth(mode="original"), answers(4, 60, 2.5)),
        "original, other rules": (
            Smooth(mode="original", alpha=0.5, delta=0.2, window=5, minimum=2),
            answers(5, 60, 1.0),
        ),
    }
    for name, (rules, given) in cases.items():
        smoother = Smoother(rules)
        frames = []
        for time, row in given:
            smoothed = smoother.update(time, np.array(row))
            frames.append(
                {
                    "time": time,
                    "p": row,
                    "label": smoother.name,
                    "p_smoothed": np.round(smoothed, 9).tolist(),
                }
            )
        yield {"name": name, "rules": asdict(rules), "frames": frames}


def session(seed: int, count: int) -> list[Scored]:
    """Labelled segments of various lengths, some frames without a face, and noisy answers."""
    rng, smoother, frames = np.random.default_rng(seed), Smoother(Smooth()), []
    manual, until = -1, 0.0
    for time, row in answers(seed, count, 2.0):
        if time >= until:
            manual, until = int(rng.integers(-1, 7)), time + float(rng.choice([0.3, 1.0, 1.6]))
        if rng.random() < 0.06:
            frames.append(Scored(time, manual, -1, -1))
            continue
        smoothed = np.round(smoother.update(time, np.array(row)), 6)
        shown = -1 if smoother.label is None else smoother.label
        frames.append(
            Scored(time, manual, int(np.argmax(row)), shown, tuple(row), tuple(smoothed.tolist()))
        )
    return frames


def tenths(manual: str, raw: str, shown: str) -> list[Scored]:
    """Frames 0.1 s apart from letters: the first of a class's name (N is Neutral; U Surprise), `-`
    for none.
    """
    letters = {name[0]: index for index, name in enumerate(CLASSES)} | {"S": 4, "U": 5, "-": -1}
    return [
        Scored(round(0.1 * step, 1), *(letters[word[step]] for word in (manual, raw, shown)))
        for step in range(len(manual))
    ]


def scoring() -> Iterator[Line]:
    """By hand where the name says so, else sessions with noise."""
    half = replace(tenths("H", "H", "H")[0], p_raw=tuple(one("Happy", 0.8)))
    cases = {
        "by hand: edges and short segments do not count": (
            Score(),
            tenths("HHHHHHHHHHSSSSS---", "HHHHSHHHHHSSSSSSSS", "HHHHHHHHHHHHSSSSSS"),
        ),
        "by hand: uncertain is wrong": (
            Score(exclusion_s=0.0, min_segment_s=0.1),
            tenths("HHHHSSSS", "HHHHSSSS", "-HHH--SS"),
        ),
        "by hand: a label that is never given": (
            Score(exclusion_s=0.0, min_segment_s=0.1),
            tenths("HHHSSSFFF", "HHHHHHFFF", "HHHHHHHHF"),
        ),
        "by hand: no label at all": (Score(), tenths("----", "HHSS", "HHHS")),
        "by hand: no frame": (Score(), []),
        "by hand: calibration": (
            Score(exclusion_s=0.0, min_segment_s=0.1),
            [replace(half, time=step / 10) for step in range(5)],
        ),
        "session 1": (Score(), session(1, 90)),
        "session 2": (Score(exclusion_s=0.1), session(6, 90)),
    }
    for name, (rules, frames) in cases.items():
        found = score(frames, replace(rules, resamples=0))
        del found["intervals"]
        rows = [list(asdict(frame).values()) for frame in frames]
        yield {"name": name, "rules": asdict(rules), "frames": rows, "score": found}


def network(model: Path) -> Iterator[Line]:
    """What one exported file says of pictures."""
    predictor = Predictor(model, threads=1)
    for seed in range(12):
        image = (
            picture(seed, 48, 52)
            if seed < 6
            else shoot(7, "network", seed, seed % 7, 60, 2, freedom=0.3)[0]
        )
        found = predictor.predict([image])
        yield {
            "name": f"picture {seed}",
            "image": encoded(image),
            "logits": found.logits[0].tolist(),
            "probabilities": found.probabilities[0].tolist(),
        }


MAKERS = {
    "pictures": pictures,
    "calibration": calibration,
    "detection": detection,
    "tracking": tracking,
    "smoothing": smoothing,
    "scoring": scoring,
}


def text(lines: Iterator[Line]) -> str:
    return "".join(
        f"{json.dumps(line, separators=(',', ':'), allow_nan=False)}\n" for line in lines
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    if options.model:
        options.to.write_text(text(network(options.model)), encoding="utf-8")
        return
    for name, make in MAKERS.items():
        (GOLDEN / f"{name}.jsonl").write_text(text(make()), encoding="utf-8")


if __name__ == "__main__":
    main()
