"""The sample in the layout of ExpW: photos with one or several people and one list of face
boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fer_core.base.labels import INDEX
from fer_core.pixels.opencv import cv2
from fer_core.pixels.parallel import process_map
from fer_core.sample.camera import sample_camera, sample_light
from fer_core.sample.options import SampleOptions
from fer_core.sample.plan import Row, plan_rows
from fer_core.sample.portrait import add_occluder, background, degrade, draw_sitter, frame, invent
from fer_core.sample.randomness import stream

__all__ = ["render_expw"]

_DOMAIN = "expw"
_OVERSAMPLE = 2
_SHARES = {
    "Angry": 0.1,
    "Disgust": 0.06,
    "Fear": 0.08,
    "Happy": 0.28,
    "Sad": 0.14,
    "Surprise": 0.1,
    "Neutral": 0.24,
}


@dataclass(frozen=True)
class _Box:
    """A box as a face detector would give it, in photo pixels, with its confidence in percent."""

    top: int
    left: int
    bottom: int
    right: int
    confidence: float


def render_expw(root: Path, options: SampleOptions) -> None:
    """Write `image/origin/<photo>.jpg` and `label.lst`.

    A line is: image name, face id in the image, top, left, right, bottom, confidence, expression (0
    to 6). There are no splits; copies are photo files of their own.
    """
    rows = plan_rows(
        options, _DOMAIN, ("train",), {INDEX[name]: share for name, share in _SHARES.items()}
    )
    folder = root / "image" / "origin"
    folder.mkdir(parents=True)
    lines: list[str] = []
    photos = _photos(options, rows)
    for position, (group, (jpeg, boxes)) in enumerate(
        zip(photos, process_map(partial(_taken, options.seed), photos), strict=True)
    ):
        name = f"photo_{position:05d}.jpg"
        (folder / name).write_bytes(jpeg)
        for face, (row, box) in enumerate(zip(group, boxes, strict=True)):
            lines.append(
                f"{name} {face} {box.top} {box.left} {box.right} {box.bottom} {box.confidence:.4f} "
                f"{row.label}\n"
            )
    (root / "label.lst").write_text("".join(lines), encoding="ascii", newline="\n")


def _photos(options: SampleOptions, rows: Sequence[Row]) -> list[list[Row]]:
    """Rows by photo: one to four people, and a photo of its own for whatever is copied or no
    face.
    """
    rng = stream(options.seed, _DOMAIN, "photos")
    copied = {row.number for row in rows if row.kind in ("copy", "contradiction")}
    photos: list[list[Row]] = []
    wanted = 0
    crowd: list[Row] = []
    for row in rows:
        if row.kind != "face" or row.number in copied:
            photos.append([row])
            continue
        wanted = wanted or int(rng.choice([1, 2, 3, 4], p=[0.6, 0.2, 0.12, 0.08]))
        crowd.append(row)
        if len(crowd) == wanted:
            photos.append(crowd)
            crowd, wanted = [], 0
    return photos + ([crowd] if crowd else [])


def _taken(seed: int, group: Sequence[Row]) -> tuple[bytes, list[_Box]]:
    image, boxes = _photo(seed, group)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes(), boxes


def _photo(seed: int, group: Sequence[Row]) -> tuple[np.ndarray, list[_Box]]:
    """A BGR photo (uint8 [H, W, 3]) of the people of a group, in columns from left to right, and
    their boxes in that order.
    """
    rng = stream(seed, _DOMAIN, "photo" if group[0].is_face else "frame", group[0].number)
    if not group[0].is_face:
        return frame(group[0], 120), [_Box(1, 1, 119, 119, float(rng.uniform(5, 20)))]
    sides = [int(rng.integers(44, 120)) for _ in group]
    height = int(1.5 * max(sides)) + int(rng.integers(0, 50))
    widths = [int(side * rng.uniform(1.35, 1.7)) for side in sides]
    canvas = background(rng, height * _OVERSAMPLE, sum(widths) * _OVERSAMPLE)
    light = sample_light(rng)
    boxes: list[_Box] = []
    for row, side, width, left in zip(
        group, sides, widths, np.cumsum([0, *widths[:-1]]).tolist(), strict=True
    ):
        x, y = left + width / 2, float(rng.uniform(0.68 * side, height - 0.72 * side))
        faces = stream(seed, _DOMAIN, "face", row.number)
        sitter = invent(row.emotion, faces)
        camera = sample_camera(faces, x * _OVERSAMPLE, y * _OVERSAMPLE, 0.42 * side * _OVERSAMPLE)
        draw_sitter(canvas, sitter, camera, light)
        if hidden := rng.random() < 0.1:
            add_occluder(canvas, rng, camera)
        boxes.append(_detect(rng, x, y, side, (height, sum(widths)), hidden, abs(camera.yaw)))
    image = cv2.resize(canvas, (sum(widths), height), interpolation=cv2.INTER_AREA)
    return degrade(image, rng, min(sides) / 60, 9.0), boxes


def _detect(
    rng: np.random.Generator,
    x: float,
    y: float,
    side: float,
    limits: tuple[int, int],
    hidden: bool,
    yaw: float,
) -> _Box:
    """A loose box about a head; small, turned and covered faces get little confidence."""
    jitter = rng.normal(0, 0.03 * side, 2)
    half = 0.5 * side * float(rng.uniform(0.95, 1.12))
    top, left = (
        max(0, round(y + float(jitter[0]) - half)),
        max(0, round(x + float(jitter[1]) - half)),
    )
    bottom, right = (
        min(limits[0], round(y + float(jitter[0]) + half)),
        min(limits[1], round(x + float(jitter[1]) + half)),
    )
    confidence = 20 + 0.55 * side - 30 * hidden - 25 * yaw + float(rng.normal(0, 8))
    return _Box(top, left, bottom, right, float(np.clip(confidence, 2, 99)))
