"""Images with the faces that were found, and what the network says of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

import cv2
import numpy as np

from fer_cli.predict_output import Answer
from fer_core.errors import DataError

__all__ = ["annotated", "annotated_names"]

_SURE, _UNSURE = (0, 158, 115), (117, 112, 179)
_MOST_PIXELS = 1 / 28
"""Height of the letters as a share of the image's shorter side."""


def annotated_names(files: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Where each image's annotated copy goes: its path below what all images have in common, as PNG.

    Raises:
        DataError: two images would have one name, or a copy would overwrite an image.
    """
    absolute = [file.resolve() for file in dict.fromkeys(files)]
    parents = [file.parent.parts for file in absolute]
    common = 0
    while all(len(parts) > common and parts[common] == parents[0][common] for parts in parents):
        common += 1
    names: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    for file, whole in zip(dict.fromkeys(files), absolute, strict=True):
        name = folder / PurePath(*whole.parts[common:]).with_suffix(".png")
        if name.resolve() in absolute:
            raise DataError("An annotated copy would overwrite an image.", where=name, remedy="give another folder to --annotate")
        if (other := taken.get(name)) is not None:
            raise DataError(
                "Two images would have one annotated copy.", where=name, found=f"{other} and {file}", remedy="annotate them apart"
            )
        names[file] = taken[name] = name
    return names


def annotated(image: np.ndarray, answers: Iterable[Answer]) -> np.ndarray:
    """A copy of an image with a box and a line of text for each face; an unsure one in another colour and with a question mark.

    Args:
        image: RGB, uint8 [H, W, 3].
        answers: of this image.

    Returns:
        RGB, uint8 [H, W, 3]; images too small to carry letters are enlarged.
    """
    factor = max(1, -(-160 // min(image.shape[:2])))
    drawn = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST) if factor > 1 else image.copy()
    short = min(drawn.shape[:2])
    stroke = max(1, round(short / 300))
    for answer in answers:
        if answer.face is None or answer.confidence is None:
            continue
        colour = _SURE if answer.label is not None else _UNSURE
        words = f"{answer.label or answer.top[0][0] + '?'} {100 * answer.confidence:.0f}%"
        left, top, right, bottom = 0, 0, drawn.shape[1] - 1, drawn.shape[0] - 1
        if answer.box is not None:
            left, top = answer.box.left * factor, answer.box.top * factor
            right, bottom = left + answer.box.width * factor, top + answer.box.height * factor
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, stroke)
        _label(drawn, words, left, top, colour, max(10, round(short * _MOST_PIXELS)))
    return drawn


def _label(image: np.ndarray, words: str, left: int, top: int, colour: tuple[int, int, int], height: int) -> None:
    """White words on a patch of the colour, above the point where there is room, else below it, and always inside the image."""
    font = cv2.FONT_HERSHEY_SIMPLEX
    scale, weight = cv2.getFontScaleFromHeight(font, height), max(1, height // 12)
    (width, tall), below = cv2.getTextSize(words, font, scale, weight)
    pad = max(2, height // 4)
    x = int(np.clip(left, 0, max(0, image.shape[1] - width - 2 * pad)))
    y = top - tall - below - 2 * pad
    y = int(np.clip(y if y >= 0 else top, 0, max(0, image.shape[0] - tall - below - 2 * pad)))
    cv2.rectangle(image, (x, y), (x + width + 2 * pad, y + tall + below + 2 * pad), colour, cv2.FILLED)
    cv2.putText(image, words, (x + pad, y + pad + tall), font, scale, (255, 255, 255), weight, cv2.LINE_AA)
