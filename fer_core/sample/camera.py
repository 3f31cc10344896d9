"""How a head is seen: its turn in space, its place and size in the picture, and the light on it."""

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Camera", "Light", "sample_camera", "sample_light"]


@dataclass(frozen=True)
class Camera:
    """Orthographic view of a head.

    Attributes:
        x, y: the head's centre in canvas pixels.
        scale: canvas pixels per face unit.
        yaw, pitch, roll: turn in radians; positive yaw looks to the picture's right, positive pitch
            down.
    """

    x: float
    y: float
    scale: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def surface(self, points: np.ndarray, lift: float | np.ndarray = 0.0) -> np.ndarray:
        """Canvas pixels of points that lie on the front of the head, `lift` face units above it:
        float64 [N, 2].
        """
        x, y = points[:, 0], points[:, 1]
        z = 0.95 * np.sqrt(np.maximum(1 - (x / 1.12) ** 2 - (y / 1.7) ** 2, 0)) + lift
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        turned, depth = x * cos + z * sin, z * cos - x * sin
        # The neck carries the head: part of the nod's shift is taken up by it.
        nodded = y * math.cos(self.pitch) + (depth - 0.35) * math.sin(self.pitch)
        return self._place(turned, nodded)

    def flat(self, points: np.ndarray) -> np.ndarray:
        """Canvas pixels of points of the outline, which turns only in the plane: float64 [N, 2]."""
        return self._place(points[:, 0], points[:, 1])

    def upright(self, points: np.ndarray) -> np.ndarray:
        """Canvas pixels of points of the trunk, which does not turn: float64 [N, 2]."""
        return points * self.scale + (self.x, self.y)

    def _place(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        cos, sin = self.scale * math.cos(self.roll), self.scale * math.sin(self.roll)
        placed = np.empty((len(x), 2))
        placed[:, 0] = self.x + cos * x - sin * y
        placed[:, 1] = self.y + sin * x + cos * y
        return placed


@dataclass(frozen=True)
class Light:
    """One lamp and the ambient light: direction of the lamp (x, y, z towards the viewer) and the
    share of ambient light.
    """

    x: float
    y: float
    z: float
    ambient: float
    gain: float


def sample_camera(
    rng: np.random.Generator, x: float, y: float, scale: float, freedom: float = 1.0
) -> Camera:
    """A pose with most heads near frontal; `freedom` scales all turns."""
    yaw, pitch, roll = rng.normal(0, (0.17, 0.09, 0.08)) * freedom
    return Camera(
        x,
        y,
        scale,
        float(np.clip(yaw, -0.6, 0.6)),
        float(np.clip(pitch, -0.35, 0.35)),
        float(np.clip(roll, -0.4, 0.4)),
    )


def sample_light(rng: np.random.Generator) -> Light:
    """A lamp somewhere before the head, sometimes harsh, sometimes dim."""
    x, y = float(rng.uniform(-0.9, 0.9)), float(rng.uniform(-0.8, 0.35))
    norm = float(np.sqrt(x * x + y * y + 0.8))
    return Light(
        x / norm,
        y / norm,
        float(np.sqrt(0.8)) / norm,
        float(rng.uniform(0.5, 0.9)),
        float(rng.uniform(0.8, 1.15)),
    )
