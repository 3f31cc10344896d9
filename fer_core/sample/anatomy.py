"""Where the parts of a face lie: landmark curves of an identity, moved by its action units.

Coordinates are face units: the origin is the centre of the face, half its width is 1, y points
down, x to the picture's right.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fer_core.sample.identity import Identity

__all__ = ["Eye", "Landmarks", "Mouth", "shape_face"]

EYE_LINE = -0.14
_T = np.linspace(-1, 1, 17)


@dataclass(frozen=True)
class Eye:
    """One eye: lids float64 [17, 2] from the picture's left to its right, and the iris."""

    upper: np.ndarray
    lower: np.ndarray
    centre: np.ndarray
    iris_radius: float


@dataclass(frozen=True)
class Mouth:
    """Four curves, float64 [17, 2] each, from the picture's left corner to its right; `opening` is
    the gap at the middle.
    """

    upper_outer: np.ndarray
    upper_inner: np.ndarray
    lower_inner: np.ndarray
    lower_outer: np.ndarray
    opening: float


@dataclass(frozen=True)
class Landmarks:
    """All curves that carry expression. Pairs are (picture's left, picture's right); brows run from
    the inner end outwards.

    Attributes:
        eyes: two eyes.
        brows: two upper edges, float64 [9, 2].
        mouth: lips.
        nose_tip: y of the tip.
        jaw_drop: how far the chin moves down.
        folds: strength, 0 to 1, of furrow (between the brows), forehead, nose, cheek (nose to mouth
            corner), crow, chin.
    """

    eyes: tuple[Eye, Eye]
    brows: tuple[np.ndarray, np.ndarray]
    mouth: Mouth
    nose_tip: float
    jaw_drop: float
    folds: Mapping[str, float]


def shape_face(
    person: Identity, units: Mapping[int, float], blink: float = 0.0, asymmetry: float = 0.0
) -> Landmarks:
    """Landmark curves of a person whose action units have the given strengths.

    Args:
        person: the face at rest.
        units: action unit to strength, 0 to about 1.2; absent units are at rest.
        blink: 1 closes the eyes.
        asymmetry: -1 to 1; how much stronger the right half moves than the left.
    """
    strength = {
        unit: units.get(unit, 0.0)
        for unit in (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 16, 17, 20, 23, 25, 26, 43)
    }
    halves = (
        {unit: value * (1 - asymmetry) for unit, value in strength.items()},
        {unit: value * (1 + asymmetry) for unit, value in strength.items()},
    )
    folds = {
        "furrow": strength[4] + 0.5 * strength[9],
        "forehead": 0.5 * (strength[1] + strength[2]),
        "nose": strength[9],
        "cheek": max(strength[12], 0.9 * strength[9], 0.8 * strength[10], 0.5 * strength[15]),
        "crow": strength[6],
        "chin": strength[17],
    }
    return Landmarks(
        eyes=(_eye(person, -1, halves[0], blink), _eye(person, 1, halves[1], blink)),
        brows=(_brow(person, -1, halves[0]), _brow(person, 1, halves[1])),
        mouth=_mouth(person, strength, halves),
        nose_tip=EYE_LINE + person.nose_length - 0.05 * strength[9],
        jaw_drop=0.16 * strength[26],
        folds={name: min(1.0, value) for name, value in folds.items()},
    )


def _eye(person: Identity, side: int, unit: Mapping[int, float], blink: float) -> Eye:
    """Lids: 5 lifts the upper, 7 and 6 raise the lower, 43 and 4 lower the upper."""
    opening = person.eye_opening * (1 - blink)
    up = opening * (
        0.115
        + 0.1 * unit[5]
        - 0.03 * unit[7]
        - 0.012 * unit[6]
        - 0.055 * unit[43]
        - 0.02 * unit[9]
        - 0.012 * unit[4]
    )
    low = opening * (0.066 + 0.02 * unit[5] - 0.035 * unit[7] - 0.045 * unit[6] - 0.03 * unit[9])
    x = side * person.eye_spacing + person.eye_width * _T
    tilt = -side * person.eye_tilt * _T
    upper = EYE_LINE + tilt - max(up, 0.006) * (1 - np.abs(_T) ** 2.2)
    lower = EYE_LINE + tilt + max(low, -0.004) * (1 - _T**2)
    centre = np.array([side * person.eye_spacing, EYE_LINE - 0.012])
    return Eye(np.stack([x, upper], 1), np.stack([x, lower], 1), centre, 0.098)


def _brow(person: Identity, side: int, unit: Mapping[int, float]) -> np.ndarray:
    """Inner end: 1 lifts it, 4 and 9 lower it and draw it inwards; outer end: 2 lifts it."""
    share = np.linspace(0, 1, 9)
    rest = (
        EYE_LINE
        - person.brow_height
        - 0.05 * np.sin(np.pi * share)
        + person.brow_slope * (share - 0.5)
        + 0.03 * share
    )
    inner, outer = (1 - share) ** 1.4, share**1.2
    lift = inner * (0.19 * unit[1] - 0.16 * unit[4] - 0.08 * unit[9]) + outer * (
        0.19 * unit[2] - 0.02 * unit[4]
    )
    lift += 0.03 * unit[5] - 0.03 * unit[7] - 0.03 * unit[4]
    x = person.eye_spacing - 0.25 + 0.53 * share - 0.055 * (unit[4] + 0.5 * unit[9]) * inner
    return np.stack([side * x, rest - lift], 1)


def _mouth(
    person: Identity,
    unit: Mapping[int, float],
    halves: tuple[Mapping[int, float], Mapping[int, float]],
) -> Mouth:
    """Corners: 12 up and out, 15 down, 20 out; lips: 25 and 26 part, 10 lifts the upper, 16 lowers
    the lower, 23 tightens, 17 pushes up.
    """
    width = (
        person.mouth_width
        + 0.16 * unit[12]
        + 0.15 * unit[20]
        - 0.08 * unit[23]
        - 0.06 * unit[26] * (1 - min(1.0, unit[12]))
        - 0.02 * unit[15]
    )
    middle = (
        person.mouth_height - 0.03 * unit[9] - 0.035 * unit[10] - 0.03 * unit[17] + 0.015 * unit[12]
    )
    corner = [
        person.mouth_slope - 0.19 * half[12] + 0.17 * half[15] + 0.03 * half[20] + 0.025 * half[10]
        for half in halves
    ]
    slope = np.where(_T < 0, corner[0], corner[1]) * np.abs(_T) ** 1.6
    line = middle + slope
    round_ = np.sqrt(np.clip(1 - _T**2, 0, 1))
    arch = 1 - _T**2
    up = 0.035 * unit[25] + 0.045 * unit[10] + 0.03 * unit[26]
    down = 0.075 * unit[25] + 0.07 * unit[16] + 0.28 * unit[26] - 0.03 * unit[17]
    thin = max(0.25, 1 - 0.6 * unit[23] - 0.3 * unit[20] - 0.3 * unit[12])
    gap = max(0.0, up + down) if max(unit[25], unit[26]) > 0.08 or unit[16] > 0.3 else 0.0
    up, down = (up, max(down, -up)) if gap else (0.045 * unit[10] * 0.5, -0.045 * unit[10] * 0.5)
    upper_inner = line - up * round_
    lower_inner = line + down * round_
    cupid = arch * (1 - 0.22 * np.exp(-((_T / 0.18) ** 2)))
    upper_outer = upper_inner - person.lip_fullness * thin * 0.075 * cupid
    lower_outer = lower_inner + person.lip_fullness * thin * 0.105 * arch
    x = width * _T
    curves = [np.stack([x, y], 1) for y in (upper_outer, upper_inner, lower_inner, lower_outer)]
    return Mouth(curves[0], curves[1], curves[2], curves[3], float(gap))
