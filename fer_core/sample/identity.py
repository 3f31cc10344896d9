"""Who is drawn: the shape and colours of one invented person."""

from dataclasses import dataclass

import numpy as np

from fer_core.sample.brush import Colour, blend

__all__ = ["Identity", "sample_identity"]

_SKINS: tuple[Colour, ...] = (
    (196, 214, 244),
    (160, 190, 230),
    (128, 165, 212),
    (98, 138, 190),
    (68, 104, 156),
    (48, 74, 116),
    (44, 65, 100),
)
_HAIRS: tuple[Colour, ...] = (
    (22, 22, 26),
    (30, 42, 62),
    (40, 66, 104),
    (92, 150, 198),
    (40, 70, 140),
    (165, 168, 172),
    (215, 218, 222),
)
_IRISES: tuple[Colour, ...] = ((26, 40, 66), (36, 62, 96), (120, 96, 62), (70, 104, 76))


@dataclass(frozen=True)
class Identity:
    """A person at rest. Lengths are in face units: half the width of the face is 1, y points
    down.
    """

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    clothes: Colour
    hair_style: str
    beard: str
    glasses: str
    height: float
    jaw: float
    eye_spacing: float
    eye_width: float
    eye_opening: float
    eye_tilt: float
    brow_height: float
    brow_thickness: float
    brow_slope: float
    nose_length: float
    nose_width: float
    mouth_height: float
    mouth_width: float
    mouth_slope: float
    lip_fullness: float


def sample_identity(rng: np.random.Generator) -> Identity:
    """Draw a person."""
    tone = float(rng.uniform(0, len(_SKINS) - 1.001))
    skin = blend(_SKINS[int(tone)], _SKINS[int(tone) + 1], tone % 1)
    hair = blend(
        _HAIRS[int(rng.choice(len(_HAIRS), p=(0.32, 0.24, 0.14, 0.1, 0.06, 0.08, 0.06)))],
        _HAIRS[0],
        0.4 * float(rng.random()),
    )
    lips = blend(
        (skin[0] * 0.72, skin[1] * 0.62, skin[2] * 0.88),
        (70, 50, 190),
        float(rng.choice([0, 0.1, 0.2, 0.6])),
    )
    return Identity(
        skin=skin,
        hair=hair,
        iris=_IRISES[int(rng.integers(len(_IRISES)))],
        lips=lips,
        clothes=tuple(float(value) for value in rng.uniform(20, 230, 3)),  # type: ignore[arg-type]
        hair_style=str(
            rng.choice(
                ["short", "fringe", "parted", "long", "long_fringe", "bald", "hat"],
                p=[0.24, 0.15, 0.17, 0.2, 0.1, 0.08, 0.06],
            )
        ),
        beard=str(rng.choice(["none", "stubble", "full", "moustache"], p=[0.8, 0.1, 0.05, 0.05])),
        glasses=str(rng.choice(["none", "round", "square", "dark"], p=[0.84, 0.075, 0.075, 0.01])),
        height=float(rng.normal(1.3, 0.06)),
        jaw=float(rng.uniform(0.1, 0.34)),
        eye_spacing=float(rng.normal(0.42, 0.02)),
        eye_width=float(rng.normal(0.215, 0.014)),
        eye_opening=float(rng.normal(1.0, 0.16)),
        eye_tilt=float(rng.normal(0.02, 0.025)),
        brow_height=float(rng.normal(0.3, 0.03)),
        brow_thickness=float(rng.uniform(0.06, 0.11)),
        brow_slope=float(rng.normal(0.0, 0.025)),
        nose_length=float(rng.normal(0.46, 0.035)),
        nose_width=float(rng.normal(0.17, 0.025)),
        mouth_height=float(rng.normal(0.72, 0.03)),
        mouth_width=float(rng.normal(0.4, 0.03)),
        mouth_slope=float(rng.normal(0.0, 0.022)),
        lip_fullness=float(rng.normal(1.0, 0.2)),
    )
