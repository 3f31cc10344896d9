"""One invented person in front of a camera: everything that is drawn at random for a face, and the
drawing itself.
"""

from dataclasses import dataclass

import numpy as np

from fer_core.pixels.opencv import cv2
from fer_core.sample.anatomy import shape_face
from fer_core.sample.brush import ellipse_points, fill
from fer_core.sample.camera import Camera, Light, sample_camera, sample_light
from fer_core.sample.expression import Expression, sample_expression
from fer_core.sample.features import (
    draw_brows,
    draw_eyes,
    draw_folds,
    draw_glasses,
    draw_mouth,
    draw_nose,
)
from fer_core.sample.head import draw_beard, draw_behind, draw_hair, draw_skull, light_head
from fer_core.sample.identity import Identity, sample_identity
from fer_core.sample.plan import Row
from fer_core.sample.randomness import stream

__all__ = [
    "Sitter",
    "add_occluder",
    "background",
    "degrade",
    "draw_sitter",
    "frame",
    "invent",
    "picture",
    "shoot",
]


@dataclass(frozen=True)
class Sitter:
    """A person with an expression, in a momentary state."""

    person: Identity
    expression: Expression
    blink: float
    asymmetry: float
    gaze: tuple[float, float]


def invent(emotion: int, rng: np.random.Generator) -> Sitter:
    """Draw a person who shows an emotion (class index)."""
    person = sample_identity(rng)
    expression = sample_expression(emotion, rng)
    blink = float(rng.uniform(0.4, 1)) if rng.random() < 0.05 else 0.0
    gaze = rng.normal(0, (0.035, 0.015))
    return Sitter(
        person,
        expression,
        blink,
        float(np.clip(rng.normal(0, 0.12), -0.4, 0.4)),
        (float(gaze[0]), float(gaze[1])),
    )


def draw_sitter(canvas: np.ndarray, sitter: Sitter, camera: Camera, light: Light) -> np.ndarray:
    """Draw a head on a BGR canvas (uint8 [H, W, 3], changed in place) and return its outline,
    float64 [48, 2] in canvas pixels.
    """
    person = sitter.person
    face = shape_face(person, sitter.expression.units, sitter.blink, sitter.asymmetry)
    draw_behind(canvas, person, face, camera)
    points = draw_skull(canvas, person, face, camera)
    draw_beard(canvas, person, face, camera)
    draw_folds(canvas, person, face, camera)
    draw_mouth(canvas, person, face, camera)
    draw_nose(canvas, person, face, camera)
    draw_eyes(canvas, person, face, camera, sitter.gaze)
    draw_hair(canvas, person, face, camera)
    draw_brows(canvas, person, face, camera)
    draw_glasses(canvas, person, camera)
    light_head(canvas, points, camera, light)
    return points


def background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Something out of focus: uint8 [height, width, 3]."""
    spread = float(rng.choice([4, 25, 55]))
    blobs = (int(rng.integers(2, 7)), int(rng.integers(2, 7)))
    brightness = rng.uniform(30, 225) + rng.normal(0, spread, (*blobs, 1))
    cells = np.clip(
        brightness + rng.normal(0, 28, 3) + rng.normal(0, 0.3 * spread, (*blobs, 3)), 0, 255
    )
    return cv2.resize(cells.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def add_occluder(canvas: np.ndarray, rng: np.random.Generator, camera: Camera) -> None:
    """Put a hand, a scarf or another thing in front of a part of the face."""
    colour = tuple(float(value) for value in rng.uniform(20, 230, 3))
    angle = float(rng.uniform(0.1, 0.9) * np.pi)
    distance = float(rng.uniform(1.0, 1.35))
    thing = ellipse_points(
        distance * np.cos(angle) * 0.9,
        distance * np.sin(angle) * 1.2,
        float(rng.uniform(0.3, 0.6)),
        float(rng.uniform(0.25, 0.5)),
    )
    fill(canvas, camera.flat(thing), colour)  # type: ignore[arg-type]


def degrade(image: np.ndarray, rng: np.random.Generator, blur: float, noise: float) -> np.ndarray:
    """What a cheap camera does to an image of final size: defocus, contrast and exposure, sensor
    noise.

    Args:
        image: uint8 [H, W] or [H, W, 3].
        rng: of the picture.
        blur: largest standard deviation of the defocus, in pixels.
        noise: largest standard deviation of the noise, in grey levels.

    Returns:
        uint8, same shape.
    """
    sigma = blur * float(rng.random())
    if sigma > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    gain, offset = float(rng.uniform(0.75, 1.2)), float(rng.uniform(-15, 20))
    grain = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(
        rng.uniform(0.2, 1.0) * noise
    )
    return (
        np.clip(
            (image.astype(np.float32) - 110) * np.float32(gain) + np.float32(110 + offset) + grain,
            0,
            255,
        )
        .round()
        .astype(np.uint8)
    )


def shoot(
    seed: int, domain: str, index: int, emotion: int, size: int, oversample: int, *, freedom: float
) -> tuple[np.ndarray, Expression]:
    """A square picture filled by one face.

    Args:
        seed: of the data set.
        domain: name of the stream; the same domain and index give the same picture.
        index: number of the face.
        emotion: class index shown.
        size: side of the result in pixels.
        oversample: factor at which the face is drawn before it is averaged down.
        freedom: scales turn, shift and zoom of the head.

    Returns:
        BGR image, uint8 [size, size, 3], and what the face shows.
    """
    rng = stream(seed, domain, "face", index)
    sitter = invent(emotion, rng)
    side = size * oversample
    canvas = background(rng, side, side)
    zoom = side * (0.475 + freedom * float(rng.uniform(-0.04, 0.03)))
    shift = rng.normal(0, 0.018 * freedom * side, 2)
    camera = sample_camera(
        rng, side / 2 + float(shift[0]), side * 0.47 + float(shift[1]), zoom, freedom
    )
    draw_sitter(canvas, sitter, camera, sample_light(rng))
    if rng.random() < 0.06:
        add_occluder(canvas, rng, camera)
    image = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return degrade(image, rng, size / 70, 8.0), sitter.expression


def picture(
    seed: int, domain: str, row: Row, size: int, oversample: int, *, freedom: float
) -> np.ndarray:
    """BGR picture of a row, uint8 [size, size, 3]; rows of one number and kind of subject give the
    same pixels.
    """
    if not row.is_face:
        return frame(row, size)
    return shoot(seed, domain, row.number, row.emotion, size, oversample, freedom=freedom)[0]


def frame(row: Row, size: int) -> np.ndarray:
    """A picture without a face, uint8 [size, size, 3].

    A blank one is black for number 0, another grey for each of the next 255. One with text is what
    a web site shows where an image was removed.
    """
    number = row.number
    if row.kind == "blank":
        return np.full((size, size, 3), number * 37 % 256, np.uint8)
    canvas = np.full((4 * size, 4 * size, 3), 238 - number % 30, np.uint8)
    for line, text in enumerate(("IMAGE", "REMOVED", f"NO. {number}")):
        place = (round(0.4 * size), round((1.4 + 0.75 * line) * size))
        cv2.putText(
            canvas,
            text,
            place,
            cv2.FONT_HERSHEY_SIMPLEX,
            size / 55,
            (70, 70, 70),
            max(1, size // 12),
            cv2.LINE_AA,
        )
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
