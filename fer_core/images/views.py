"""Views: which augmentation the k-th look at an image uses, as a pure function of the image's id
and k.

`view(sample_id, k)` needs no state: a counter-based generator (SplitMix64, Steele, Lea & Flood
2014) turns (id, k, draw) into uniform numbers. So teacher and student see the very same crop,
whatever the batch order, worker or device. k = 0 is the evaluation view. Views 1..count are the
ones whose teacher logits are stored; students train on view 1 + (epoch mod count). Teachers train
on a stream of their own, so that stored targets are not made on views they memorised.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from fer_core.base.params import Section

__all__ = [
    "ViewOptions",
    "ViewParams",
    "boxes",
    "colour_matrices",
    "erased_boxes",
    "sample_keys",
    "student_view",
    "teacher_view",
    "view_params",
    "warps",
]

_VERSION = 2
_FIRST_TEACHER_VIEW = 1 << 20
_DRAWS, _FURTHER_DRAWS = 9, 8
_FURTHER = np.uint64(0xA0761D6478BD642F)  # keeps the draws of rotation, shift and erasing apart
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

_RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])

Strength = Annotated[float, Field(ge=0, lt=1)]


class ViewOptions(Section):
    """Strength of the augmentation.

    Attributes:
        count: K, the number of stored training views of each image.
        scale: least and greatest share of the image's area that a crop keeps.
        ratio: least and greatest aspect ratio (width / height) of a crop.
        flip: probability of a horizontal flip.
        brightness, contrast, saturation: factor drawn from [1 - x, 1 + x].
        hue: rotation drawn from [-x, x] turns.
        rotation: of the face, drawn from [-x, x] degrees; what comes from outside the image repeats
            its border.
        shift: in each direction, drawn from [-x, x] of the crop's side.
        erase: probability that a rectangle is filled with the mean colour.
        erase_area: least and greatest share of the view's area that the rectangle takes.
    """

    count: Annotated[int, Field(ge=1, le=64)]
    scale: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]]
    ratio: tuple[Annotated[float, Field(gt=0.2, lt=5)], Annotated[float, Field(gt=0.2, lt=5)]]
    flip: Annotated[float, Field(ge=0, le=1)]
    brightness: Strength
    contrast: Strength
    saturation: Strength
    hue: Annotated[float, Field(ge=0, le=0.5)]
    rotation: Annotated[float, Field(ge=0, le=90)] = 0.0
    shift: Strength = 0.0
    erase: Annotated[float, Field(ge=0, le=1)] = 0.0
    erase_area: tuple[Annotated[float, Field(gt=0, lt=1)], Annotated[float, Field(gt=0, lt=1)]] = (
        0.02,
        0.2,
    )

    @model_validator(mode="after")
    def _ordered(self) -> "ViewOptions":
        for name in ("scale", "ratio", "erase_area"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be [least, greatest]")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is as if it were left out is left out."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def hash(self) -> str:
        """Hexadecimal SHA-256 of the options and of this module's version: equal hash, equal
        views.
        """
        return hashlib.sha256(
            json.dumps([_VERSION, self.to_dict()], sort_keys=True).encode()
        ).hexdigest()


@dataclass(frozen=True)
class ViewParams:
    """One view of each of N images; coordinates are shares of the image's side, so image sizes may
    differ.

    Attributes:
        top, left, height, width: float32 [N], the crop.
        flip: bool [N].
        brightness, contrast, saturation: float32 [N], factors.
        hue: float32 [N], turns.
        turn: float64 [N, 3], rotation in radians, and shift down and to the right in shares of the
            crop's sides; None where neither is asked for.
        erased: float64 [N, 4], top, left, height and width of a rectangle in shares of the view's
            side, all 0 for none; None where nothing is ever erased.
    """

    top: np.ndarray
    left: np.ndarray
    height: np.ndarray
    width: np.ndarray
    flip: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    saturation: np.ndarray
    hue: np.ndarray
    turn: np.ndarray | None = None
    erased: np.ndarray | None = None


def boxes(view: ViewParams, side: int) -> np.ndarray:
    """The crops of images of `side` pixels, rounded to whole pixels so that every device cuts the
    same ones.

    Returns:
        int64 [N, 4]: top, left, height, width.
    """
    height = np.maximum(np.rint(view.height * np.float32(side)), 1).astype(np.int64)
    width = np.maximum(np.rint(view.width * np.float32(side)), 1).astype(np.int64)
    top = np.minimum(np.rint(view.top * np.float32(side)).astype(np.int64), side - height)
    left = np.minimum(np.rint(view.left * np.float32(side)).astype(np.int64), side - width)
    return np.stack([top, left, height, width], axis=1)


def warps(view: ViewParams, side: int, size: int) -> np.ndarray | None:
    """Crop, flip, rotation and shift as one affine map from the view's pixels to those of the
    image, in whole 65536ths of a pixel so that every device reads the same places.

    Args:
        view: of N images.
        side: of the images, in pixels.
        size: of the view, in pixels.

    Returns:
        int64 [N, 6]: a, b, c, d, e, f, where the view's pixel (column, row) shows the image at
            column a x column + b x row + c and row d x column + e x row + f; None where the view
            has neither rotation nor shift.
    """
    if view.turn is None:
        return None
    top, left, height, width = boxes(view, side).T.astype(np.float64)
    angle, down, right = view.turn.T
    mirror = np.where(view.flip, -1.0, 1.0)
    a, b = mirror * np.cos(angle) * width / size, -np.sin(angle) * height / size
    d, e = mirror * np.sin(angle) * width / size, np.cos(angle) * height / size
    middle = (size - 1) / 2
    c = left + (0.5 + right) * width - 0.5 - (a + b) * middle
    f = top + (0.5 + down) * height - 0.5 - (d + e) * middle
    return np.rint(np.stack([a, b, c, d, e, f], axis=1) * 65536).astype(np.int64)


def erased_boxes(view: ViewParams, size: int) -> np.ndarray | None:
    """The erased rectangles of views of `size` pixels.

    Returns:
        int64 [N, 4]: top, left, height, width; None where nothing is ever erased.
    """
    return None if view.erased is None else np.rint(view.erased * size).astype(np.int64)


def colour_matrices(view: ViewParams) -> tuple[np.ndarray, np.ndarray]:
    """All four colour changes as one affine map of an RGB pixel p: matrix @ p + offset x (mean grey
    of the image).

    Contrast blends with the image's mean grey, saturation with each pixel's grey (as torchvision's
    ColorJitter); hue turns the chroma plane of YIQ, which leaves grey pixels grey.

    Returns:
        float32 [N, 3, 3], and float32 [N], the same for the three channels.
    """
    angle = view.hue.astype(np.float64) * 2 * np.pi
    saturation = view.saturation.astype(np.float64)
    turn = np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle) * saturation
    turn[:, 2, 1] = np.sin(angle) * saturation
    turn[:, 1, 2] = -turn[:, 2, 1]
    scale = view.brightness.astype(np.float64) * view.contrast
    matrix = np.linalg.inv(_RGB_TO_YIQ) @ turn @ _RGB_TO_YIQ * scale[:, None, None]
    return matrix.astype(np.float32), ((1 - view.contrast) * view.brightness).astype(np.float32)


def student_view(epoch: int, count: int) -> int:
    """The stored view that every student trains on in an epoch (counted from 0)."""
    return 1 + epoch % count


def teacher_view(epoch: int) -> int:
    """The view a teacher trains on in an epoch: never one of the stored ones."""
    return _FIRST_TEACHER_VIEW + epoch


def sample_keys(sample_ids: Sequence[str]) -> np.ndarray:
    """uint64 [N]: the generator's key of each image, from its id alone."""
    digests = b"".join(
        hashlib.blake2b(sample_id.encode(), digest_size=8).digest() for sample_id in sample_ids
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def view_params(keys: np.ndarray, k: int, options: ViewOptions) -> ViewParams:
    """Augmentation parameters of view k >= 1 of every image.

    The crop follows torchvision's RandomResizedCrop (area share uniform, aspect ratio log-uniform,
    place uniform), except that a crop too wide or too high is shortened to fit instead of being
    drawn again, so that each view costs a fixed number of draws.

    Args:
        keys: uint64 [N] from `sample_keys`.
        k: number of the view; 0, the evaluation view, has no parameters and is refused with
            ValueError.
    """
    if k < 1:
        raise ValueError("view 0 is the evaluation view: it is not drawn")
    u = _uniform(keys, k, _DRAWS)
    area = options.scale[0] + u[0] * (options.scale[1] - options.scale[0])
    low, high = np.log(options.ratio[0]), np.log(options.ratio[1])
    ratio = np.exp(low + u[1] * (high - low))
    width = np.minimum(np.sqrt(area * ratio), 1)
    height = np.minimum(np.sqrt(area / ratio), 1)

    def factor(draw: np.ndarray, strength: float) -> np.ndarray:
        return (1 + strength * (2 * draw - 1)).astype(np.float32)

    return ViewParams(
        top=(u[2] * (1 - height)).astype(np.float32),
        left=(u[3] * (1 - width)).astype(np.float32),
        height=height.astype(np.float32),
        width=width.astype(np.float32),
        flip=u[4] < options.flip,
        brightness=factor(u[5], options.brightness),
        contrast=factor(u[6], options.contrast),
        saturation=factor(u[7], options.saturation),
        hue=(options.hue * (2 * u[8] - 1)).astype(np.float32),
        **_further(keys, k, options),
    )


def _further(keys: np.ndarray, k: int, options: ViewOptions) -> dict[str, np.ndarray]:
    """What is drawn only where it is asked for, apart from the rest: to switch it on or off leaves
    crop and colour as they are.
    """
    found: dict[str, np.ndarray] = {}
    if not (options.rotation or options.shift or options.erase):
        return found
    u = _uniform(keys ^ _FURTHER, k, _FURTHER_DRAWS)
    if options.rotation or options.shift:
        turn = (2 * u[:3] - 1) * np.array(
            [[np.deg2rad(options.rotation)], [options.shift], [options.shift]]
        )
        found["turn"] = turn.T
    if options.erase:
        low, high = options.erase_area
        area = np.where(u[3] < options.erase, low + u[4] * (high - low), 0)
        ratio = np.exp(np.log(2.0) * (2 * u[5] - 1))  # width / height, from 1/2 to 2
        height, width = np.minimum(np.sqrt(area / ratio), 1), np.minimum(np.sqrt(area * ratio), 1)
        found["erased"] = np.stack([u[6] * (1 - height), u[7] * (1 - width), height, width], axis=1)
    return found


def _uniform(keys: np.ndarray, k: int, draws: int) -> np.ndarray:
    """float64 [draws, N] in [0, 1): draw d of view k is the SplitMix64 output of the counter k *
    draws + d + 1.
    """
    counters = np.arange(k * draws + 1, (k + 1) * draws + 1, dtype=np.uint64)[:, None]
    with np.errstate(over="ignore"):
        state = _mix(keys)[None, :] + counters * _GOLDEN
    return (_mix(state) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(z: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
