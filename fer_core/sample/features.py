"""The features that carry expression, drawn from their landmark curves: folds, nose, mouth, eyes,
brows; and glasses.
"""

import numpy as np

from fer_core.pixels.opencv import cv2
from fer_core.sample.anatomy import EYE_LINE, Eye, Landmarks
from fer_core.sample.brush import Colour, blend, ellipse_points, fill, shade, stroke
from fer_core.sample.camera import Camera
from fer_core.sample.identity import Identity

__all__ = ["draw_brows", "draw_eyes", "draw_folds", "draw_glasses", "draw_mouth", "draw_nose"]


def draw_folds(canvas: np.ndarray, person: Identity, face: Landmarks, camera: Camera) -> None:
    """Wrinkles, as deep as their action units are strong."""
    folds = face.folds

    def crease(points: list[tuple[float, float]], strength: float, lift: float = 0.02) -> None:
        if strength > 0.12:
            colour = shade(person.skin, 1 - 0.42 * min(1.0, strength))
            stroke(canvas, camera.surface(np.array(points), lift), colour, 0.045 * camera.scale)

    corner_left, corner_right = face.mouth.upper_inner[0], face.mouth.upper_inner[-1]
    for side, corner in ((-1, corner_left), (1, corner_right)):
        wing = (side * (person.nose_width + 0.05), face.nose_tip - 0.05)
        bend = (
            side * (abs(corner[0]) + 0.1 + 0.05 * folds["cheek"]),
            0.55 * wing[1] + 0.45 * float(corner[1]),
        )
        end = (side * (abs(corner[0]) + 0.13), float(corner[1]) + 0.02)
        crease(_bow(wing, bend, end), 0.1 + 0.75 * folds["cheek"])
        edge = side * (person.eye_spacing + person.eye_width + 0.06)
        for slope in (-0.08, 0.0, 0.07):
            crease(
                [(edge, EYE_LINE + slope * 0.5), (edge + side * 0.12, EYE_LINE + slope * 1.4)],
                0.8 * folds["crow"] - 0.2,
            )
        crease(
            [(side * 0.055, EYE_LINE - 0.27), (side * 0.05, EYE_LINE - 0.1)],
            0.9 * folds["furrow"] - 0.1,
        )
        crease([(side * 0.05, EYE_LINE + 0.08), (side * 0.17, EYE_LINE + 0.16)], folds["nose"], 0.1)
        crease([(side * 0.04, EYE_LINE + 0.0), (side * 0.15, EYE_LINE + 0.06)], folds["nose"], 0.1)
        lower = face.eyes[(side + 1) // 2].lower
        crease([(float(x), float(y) + 0.055) for x, y in lower[3:-3:2]], 0.25 + 0.5 * folds["crow"])
    for level in (0.5, 0.6, 0.7):
        crease(
            [(x, EYE_LINE - level + 0.05 * abs(x)) for x in (-0.45, -0.2, 0.0, 0.2, 0.45)],
            0.8 * folds["forehead"] - 0.2,
        )
    middle = float(face.mouth.lower_outer[8, 1])
    crease(
        [(-0.14, middle + 0.1), (0.0, middle + 0.07), (0.14, middle + 0.1)],
        0.2 + 0.7 * folds["chin"],
    )


def _bow(
    start: tuple[float, float], bend: tuple[float, float], end: tuple[float, float]
) -> list[tuple[float, float]]:
    """Eight points of the quadratic Bézier curve that is pulled towards `bend`."""
    at = np.linspace(0, 1, 8)[:, None]
    curve = (
        (1 - at) ** 2 * np.array(start) + 2 * at * (1 - at) * np.array(bend) + at**2 * np.array(end)
    )
    return [(float(x), float(y)) for x, y in curve]


def draw_nose(canvas: np.ndarray, person: Identity, face: Landmarks, camera: Camera) -> None:
    """Bridge and wings as shadows, two nostrils, a highlight at the tip."""
    tip, width = face.nose_tip, person.nose_width
    dark, darker = shade(person.skin, 0.78), shade(person.skin, 0.42)
    away = -1 if camera.yaw > 0 else 1
    bridge = np.array(
        [
            [away * 0.1, EYE_LINE - 0.05],
            [away * 0.07, EYE_LINE + 0.12],
            [away * 0.1, tip - 0.16],
            [away * width * 0.9, tip - 0.06],
        ]
    )
    stroke(
        canvas, camera.surface(bridge, np.array([0.02, 0.1, 0.2, 0.1])), dark, 0.035 * camera.scale
    )
    base = np.array(
        [
            [-width, tip - 0.03],
            [-width * 0.75, tip + 0.05],
            [0, tip + 0.085],
            [width * 0.75, tip + 0.05],
            [width, tip - 0.03],
        ]
    )
    stroke(
        canvas,
        camera.surface(base, np.array([0.08, 0.14, 0.24, 0.14, 0.08])),
        shade(person.skin, 0.66),
        0.04 * camera.scale,
    )
    for side in (-1, 1):
        fill(
            canvas,
            camera.surface(ellipse_points(side * width * 0.5, tip + 0.025, 0.052, 0.03, 12), 0.19),
            darker,
        )
        fill(
            canvas,
            camera.surface(ellipse_points(0.02 * side, tip - 0.07, 0.035, 0.05, 12), 0.27),
            shade(person.skin, 1.1),
        )


def draw_mouth(canvas: np.ndarray, person: Identity, face: Landmarks, camera: Camera) -> None:
    """Lips, and what shows between them: dark, teeth, tongue."""
    mouth, lift = face.mouth, 0.06
    upper_outer, lower_outer = (
        camera.surface(mouth.upper_outer, lift),
        camera.surface(mouth.lower_outer, lift),
    )
    upper_inner, lower_inner = (
        camera.surface(mouth.upper_inner, lift),
        camera.surface(mouth.lower_inner, lift),
    )
    fill(canvas, np.concatenate([upper_outer, upper_inner[::-1]]), shade(person.lips, 0.86))
    fill(canvas, np.concatenate([lower_inner, lower_outer[::-1]]), person.lips)
    if mouth.opening > 0.02:
        fill(canvas, np.concatenate([upper_inner, lower_inner[::-1]]), (28, 22, 58))
        gap = mouth.lower_inner[:, 1] - mouth.upper_inner[:, 1]
        teeth = np.minimum(0.62 * gap, 0.085)
        edge = np.stack([mouth.upper_inner[:, 0], mouth.upper_inner[:, 1] + teeth], 1)
        fill(
            canvas,
            np.concatenate([upper_inner, camera.surface(edge, lift)[::-1]])[2:-2],
            (214, 226, 230),
        )
        if mouth.opening > 0.14:
            tongue = ellipse_points(0, float(mouth.lower_inner[8, 1]) - 0.05, 0.16, 0.05, 14)
            fill(canvas, camera.surface(tongue, lift), (88, 78, 168))
    else:
        stroke(canvas, upper_inner, shade(person.lips, 0.42), 0.035 * camera.scale)
    for curve, side in ((mouth.upper_inner, -1), (mouth.upper_inner, 1)):
        corner = curve[0] if side < 0 else curve[-1]
        fill(
            canvas,
            camera.surface(
                ellipse_points(float(corner[0]), float(corner[1]), 0.028, 0.024, 8), lift
            ),
            shade(person.skin, 0.5),
        )


def draw_eyes(
    canvas: np.ndarray, person: Identity, face: Landmarks, camera: Camera, gaze: tuple[float, float]
) -> None:
    """Sclera and iris inside the lids, then lashes and the crease of the lid."""
    for eye in face.eyes:
        _draw_eye(canvas, person, eye, camera, gaze)


def _draw_eye(
    canvas: np.ndarray, person: Identity, eye: Eye, camera: Camera, gaze: tuple[float, float]
) -> None:
    upper, lower = camera.surface(eye.upper), camera.surface(eye.lower)
    socket = np.concatenate([eye.upper - (0, 0.075), eye.lower[::-1] + (0, 0.02)])
    fill(canvas, camera.surface(socket), shade(person.skin, 0.86))
    ring = np.concatenate([upper, lower[::-1]])
    low, high = (
        np.floor(ring.min(axis=0)).astype(int) - 2,
        np.ceil(ring.max(axis=0)).astype(int) + 3,
    )
    left, top = np.clip(low, 0, None)
    part = canvas[top : max(top, high[1]), left : max(left, high[0])]
    if part.size and float((eye.lower - eye.upper)[:, 1].max()) > 0.03:
        ball = np.empty_like(part)
        ball[:] = (206, 212, 216)
        offset = np.array([left, top])
        middle = eye.centre + gaze
        for radius, colour in (
            (eye.iris_radius, person.iris),
            (0.5 * eye.iris_radius, (10, 10, 10)),
        ):
            fill(
                ball,
                camera.surface(
                    ellipse_points(float(middle[0]), float(middle[1]), radius, radius, 16)
                )
                - offset,
                colour,
            )
        glint = ellipse_points(float(middle[0]) + 0.03, float(middle[1]) - 0.035, 0.022, 0.022, 8)
        fill(ball, camera.surface(glint) - offset, (245, 245, 245))
        mask = np.zeros(part.shape[:2], np.uint8)
        fill(mask, ring - offset, (255, 255, 255))
        cv2.copyTo(ball, mask, part)
    stroke(canvas, upper, (24, 26, 34), 0.045 * camera.scale)
    stroke(canvas, lower, shade(person.skin, 0.55), 0.022 * camera.scale)
    crease = eye.upper[2:-2] - (0, 0.055)
    stroke(canvas, camera.surface(crease), shade(person.skin, 0.62), 0.022 * camera.scale)


def draw_brows(canvas: np.ndarray, person: Identity, face: Landmarks, camera: Camera) -> None:
    """Two tapering bands."""
    colour: Colour = (
        blend(shade(person.hair, 0.8), person.skin, 0.15)
        if sum(person.hair) < 450
        else blend(person.hair, person.skin, 0.5)
    )
    taper = np.linspace(1.1, 0.35, 9)
    for brow in face.brows:
        below = brow + np.stack([np.zeros(9), person.brow_thickness * taper], 1)
        fill(canvas, np.concatenate([camera.surface(brow), camera.surface(below)[::-1]]), colour)


def draw_glasses(canvas: np.ndarray, person: Identity, camera: Camera) -> None:
    """Frames before the eyes, with dark lenses for sunglasses."""
    if person.glasses == "none":
        return
    frame = (30.0, 30.0, 36.0)
    for side in (-1, 1):
        x, y = side * person.eye_spacing, EYE_LINE + 0.02
        lens = ellipse_points(x, y, 0.29, 0.22)
        if person.glasses == "square":
            centred = (lens - (x, y)) / (0.29, 0.22)
            lens = np.sign(centred) * np.abs(centred) ** 0.45 * (0.28, 0.19) + (x, y)
        points = camera.surface(lens, 0.14)
        if person.glasses == "dark":
            fill(canvas, points, (26, 22, 20))
        stroke(canvas, points, frame, 0.045 * camera.scale, closed=True)
        arm = np.array([[side * (person.eye_spacing + 0.29), y - 0.04], [side * 0.97, y - 0.08]])
        stroke(canvas, camera.surface(arm, np.array([0.12, 0.02])), frame, 0.04 * camera.scale)
    bridge = np.array(
        [
            [-person.eye_spacing + 0.28, EYE_LINE],
            [0, EYE_LINE - 0.04],
            [person.eye_spacing - 0.28, EYE_LINE],
        ]
    )
    stroke(canvas, camera.surface(bridge, 0.2), frame, 0.045 * camera.scale)
