"""The head around the features: trunk, hair, ears, skull, beard, and the light that falls on it."""

import numpy as np

from fer_core.pixels.opencv import cv2
from fer_core.sample.anatomy import Landmarks
from fer_core.sample.brush import blend, ellipse_points, fill, shade, stroke
from fer_core.sample.camera import Camera, Light
from fer_core.sample.identity import Identity

__all__ = ["draw_beard", "draw_behind", "draw_hair", "draw_skull", "light_head", "outline"]

_ANGLES = np.linspace(-np.pi, np.pi, 48, endpoint=False)


def outline(person: Identity, face: Landmarks, camera: Camera) -> np.ndarray:
    """Outline of the skull in face units, float64 [48, 2]: an ellipse whose lower half narrows to
    the jaw.
    """
    x, y = np.sin(_ANGLES), -np.cos(_ANGLES)
    low = np.clip(y, 0, 1)
    wide = np.sign(x) * np.abs(x) ** 0.9 * (1 - person.jaw * low**2)
    tall = y * (person.height + face.jaw_drop * low)
    return np.stack([wide + 0.06 * np.sin(camera.yaw), tall + 0.08 * np.sin(camera.pitch)], 1)


def draw_behind(canvas: np.ndarray, person: Identity, face: Landmarks, camera: Camera) -> None:
    """What the skull hides in part: long hair, neck, clothes, ears."""
    if person.hair_style.startswith("long"):
        fill(canvas, camera.flat(ellipse_points(0, 0.15, 1.32, 1.65)), shade(person.hair, 0.8))
    neck = np.array([[-0.52, 0.6], [0.52, 0.6], [0.62, 2.4], [-0.62, 2.4]])
    fill(canvas, camera.upright(neck), shade(person.skin, 0.62))
    fill(canvas, camera.upright(ellipse_points(0, 2.75, 2.1, 1.05)), person.clothes)
    for side in (-1, 1):
        x = side * 1.02 - 0.22 * np.sin(camera.yaw)
        fill(canvas, camera.flat(ellipse_points(x, -0.02, 0.13, 0.26)), shade(person.skin, 0.88))
        stroke(
            canvas,
            camera.flat(ellipse_points(x + side * 0.02, -0.02, 0.06, 0.15)),
            shade(person.skin, 0.66),
            0.03 * camera.scale,
        )


def draw_skull(canvas: np.ndarray, person: Identity, face: Landmarks, camera: Camera) -> np.ndarray:
    """Fill the skull with skin and return its outline in canvas pixels."""
    points = camera.flat(outline(person, face, camera))
    fill(canvas, points, person.skin)
    for side in (-1, 1):
        cheek = ellipse_points(side * 0.52, 0.32, 0.2, 0.15)
        fill(
            canvas,
            camera.surface(cheek),
            blend(person.skin, (118, 112, 216), 0.07 + 0.05 * face.folds["crow"]),
        )
    return points


def draw_hair(canvas: np.ndarray, person: Identity, face: Landmarks, camera: Camera) -> None:
    """Hair or hat on the skull's upper part, down to the hairline of the style."""
    if person.hair_style == "bald":
        return
    skull = outline(person, face, camera)
    side = np.linspace(1, -1, 15)
    drop = {"fringe": 0.52, "long_fringe": 0.5, "hat": 0.55}.get(person.hair_style, 0.34)
    line = -person.height + drop + 0.34 * np.abs(side) ** 3.0
    if person.hair_style == "parted":
        line = line - 0.17 * np.cos(1.6 * (side - 0.35))
    if person.hair_style == "hat":
        line = np.full_like(side, -person.height + drop) + 0.05 * side**2
    hairline = np.stack(
        [side * 0.98 + 0.12 * np.sin(camera.yaw), line + 0.1 * np.sin(camera.pitch)], 1
    )
    top = skull[skull[:, 1] < float(hairline[[0, -1], 1].min())]
    top = top * (1 + 0.07 * np.clip(-top[:, 1:] / person.height, 0, 1) ** 2)
    colour = person.clothes if person.hair_style == "hat" else person.hair
    fill(canvas, camera.flat(np.concatenate([top, hairline])), colour)
    if person.hair_style != "hat":
        for share in (0.9, 0.95):
            stroke(
                canvas,
                camera.flat(top[3:-3] * share),
                blend(person.hair, (235, 235, 240), 0.07),
                0.03 * camera.scale,
            )


def draw_beard(canvas: np.ndarray, person: Identity, face: Landmarks, camera: Camera) -> None:
    """Stubble, full beard or moustache; the mouth is drawn over it."""
    if person.beard == "none":
        return
    tone = blend(person.skin, person.hair, 0.22 if person.beard == "stubble" else 0.85)
    lip = face.mouth.upper_outer
    if person.beard != "moustache":
        skull = outline(person, face, camera)
        low = skull[skull[:, 1] > 0.42] * 0.985
        low = low[np.argsort(np.arctan2(low[:, 0], low[:, 1]))]
        inner = np.stack(
            [np.linspace(-0.62, 0.62, 9), 0.62 - 0.1 * np.cos(np.linspace(-1.5, 1.5, 9))], 1
        )
        fill(canvas, np.concatenate([camera.flat(low), camera.surface(inner)[::-1]]), tone)
        fill(canvas, camera.surface(ellipse_points(0, 1.0 + face.jaw_drop, 0.5, 0.28)), tone)
    upper = lip * np.array([1.12, 1.0]) - np.array([0.0, 0.1])
    fill(canvas, camera.surface(np.concatenate([upper, lip[::-1]]), 0.05), tone)


def light_head(canvas: np.ndarray, points: np.ndarray, camera: Camera, light: Light) -> None:
    """Multiply the head's pixels by the light that an ellipsoid of its size would reflect
    (Lambert), softly beyond its edge.

    Args:
        canvas: uint8 [H, W, 3], changed in place.
        points: the skull's outline in canvas pixels.
    """
    height, width = canvas.shape[:2]
    reach = 1.75 * camera.scale
    left, top = max(0, int(camera.x - reach)), max(0, int(camera.y - reach))
    right, bottom = min(width, int(camera.x + reach)), min(height, int(camera.y + 1.3 * reach))
    if right - left < 2 or bottom - top < 2:
        return
    centre = points.mean(axis=0)
    half = (points.max(axis=0) - points.min(axis=0)) / 2
    step = 4
    x = (np.arange(left, right, step) - centre[0]) / (1.12 * half[0])
    y = (np.arange(top, bottom, step) - centre[1]) / (1.12 * half[1])
    grid_x, grid_y = np.meshgrid(x, y)
    z = np.sqrt(np.clip(1 - grid_x**2 - grid_y**2, 0.0, 1.0))
    lambert = np.clip(grid_x * light.x + grid_y * light.y + z * light.z, 0, None)
    factor = (light.gain * (light.ambient + (1 - light.ambient) * 1.25 * lambert)).astype(
        np.float32
    )
    factor = cv2.resize(factor, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    part = canvas[top:bottom, left:right]
    mask = np.zeros(part.shape[:2], np.uint8)
    fill(mask, points - (left, top), (255.0, 255.0, 255.0))
    weight = cv2.blur(mask, (5, 5)).astype(np.float32) * np.float32(1 / 255)
    factor = cv2.merge([1 + weight * (factor - 1)] * 3)
    canvas[top:bottom, left:right] = cv2.multiply(part, factor, dtype=cv2.CV_8U)
