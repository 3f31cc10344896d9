"""Emotions as facial action units, and what annotators make of a face.

Action units are those of the Facial Action Coding System; the prototypes follow Ekman, Friesen and
Hager, "FACS: The Manual" (2002), emotion prediction tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fer_core.base.labels import CLASSES, INDEX, N_CLASSES

__all__ = ["PROTOTYPES", "Expression", "action_units", "mistaken_label", "sample_expression"]

PROTOTYPES: dict[str, dict[int, float]] = {
    "Angry": {4: 1.0, 5: 0.45, 7: 0.8, 23: 1.0},
    "Disgust": {9: 1.0, 10: 0.9, 15: 0.5, 16: 0.5, 4: 0.4, 7: 0.3, 25: 0.3},
    "Fear": {1: 1.0, 2: 0.6, 4: 0.7, 5: 0.9, 20: 1.0, 25: 0.6, 26: 0.35},
    "Happy": {6: 0.9, 12: 1.0, 25: 0.6},
    "Sad": {1: 1.0, 4: 0.5, 15: 1.0, 17: 0.4, 43: 0.25},
    "Surprise": {1: 1.0, 2: 1.0, 5: 0.8, 25: 0.7, 26: 1.0},
    "Neutral": {},
}
"""Action unit to its strength at full intensity, by emotion; 43 is the drooping lid."""

_LIKENESS: dict[str, dict[str, float]] = {
    "Angry": {"Disgust": 0.4, "Sad": 0.25, "Neutral": 0.35},
    "Disgust": {"Angry": 0.6, "Sad": 0.25, "Neutral": 0.15},
    "Fear": {"Surprise": 0.6, "Sad": 0.3, "Neutral": 0.1},
    "Happy": {"Neutral": 0.8, "Surprise": 0.2},
    "Sad": {"Neutral": 0.5, "Fear": 0.25, "Angry": 0.25},
    "Surprise": {"Fear": 0.6, "Happy": 0.2, "Neutral": 0.2},
    "Neutral": {"Sad": 0.5, "Angry": 0.3, "Happy": 0.2},
}
_SPONTANEOUS = (1, 2, 4, 7, 12, 15, 17, 25, 26, 43)


@dataclass(frozen=True)
class Expression:
    """What one face shows.

    Attributes:
        emotion: class index of the emotion meant.
        intensity: of that emotion, 0 to 1.
        blend: class index of the emotion mixed in.
        blend_share: its share, 0 to 0.5.
        units: strength of each action unit that is not at rest.
    """

    emotion: int
    intensity: float
    blend: int
    blend_share: float
    units: Mapping[int, float]

    def perceived(self) -> np.ndarray:
        """Share of annotators that sees each class: float64 [7], sums to 1. Weak expressions are
        taken for Neutral.
        """
        shares = np.zeros(N_CLASSES)
        seen = min(1.0, 0.35 + 0.9 * self.intensity) if self.emotion != INDEX["Neutral"] else 1.0
        shares[self.emotion] += seen * (1 - self.blend_share)
        shares[self.blend] += seen * self.blend_share
        shares[INDEX["Neutral"]] += 1 - seen
        return 0.9 * shares + 0.1 * _likeness(self.emotion)


def _likeness(emotion: int) -> np.ndarray:
    """Chance of each other class to be named by mistake: float64 [7], sums to 1, 0 for the class
    itself.
    """
    row = _LIKENESS[CLASSES[emotion]]
    return np.array([row.get(name, 0.0) for name in CLASSES])


def action_units(emotion: int, intensity: float) -> dict[int, float]:
    """The prototype of a class at an intensity of 0 to 1, without individual variation."""
    return {unit: strength * intensity for unit, strength in PROTOTYPES[CLASSES[emotion]].items()}


def sample_expression(emotion: int, rng: np.random.Generator) -> Expression:
    """One person's way to show an emotion: varied intensity, a second emotion mixed in, units
    missing and units of habit.
    """
    intensity = 0.25 + 0.75 * float(rng.beta(3.2, 1.4))
    blend = int(rng.choice(N_CLASSES, p=_likeness(emotion)))
    blend_share = float(rng.uniform(0.15, 0.4)) if rng.random() < 0.2 else 0.0
    units: dict[int, float] = {}
    for part, share in ((emotion, 1 - blend_share), (blend, blend_share)):
        for unit, strength in action_units(part, intensity).items():
            if rng.random() > 0.05:
                units[unit] = units.get(unit, 0.0) + share * strength * float(
                    rng.uniform(0.65, 1.3)
                )
    if CLASSES[emotion] == "Happy" and rng.random() < 0.3:
        units[26] = 0.5 * intensity
    if CLASSES[emotion] == "Angry" and rng.random() < 0.3:
        units.update({25: 0.7 * intensity, 10: 0.4 * intensity, 16: 0.5 * intensity})
    for unit in _SPONTANEOUS:
        if rng.random() < 0.1:
            units[unit] = units.get(unit, 0.0) + 0.3 * float(rng.random())
    return Expression(
        emotion,
        intensity,
        blend,
        blend_share,
        {unit: min(1.2, units[unit]) for unit in sorted(units)},
    )


def mistaken_label(emotion: int, rng: np.random.Generator) -> int:
    """A class index other than `emotion` that an annotator could write down for it."""
    return int(rng.choice(N_CLASSES, p=_likeness(emotion)))
