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

    Args:
        files: images; one that is given twice, under whatever spellings, has one copy.
        folder: is created when needed; nothing in it is overwritten.

    Returns:
        Resolved path of each image -> file to write.

    Raises:
        DataError: two images would have one name, a copy's name is taken, or the folder is a file.
    """
    images = list(dict.fromkeys(file.resolve() for file in files))
    if (blocking := next((part for part in (folder, *folder.parents) if part.exists()), folder)).exists() and not blocking.is_dir():
        raise DataError("Annotated copies go to a folder, and this is a file.", where=blocking, remedy="give a folder to --annotate")
    parents = [file.parent.parts for file in images]
    common = 0
    while all(len(parts) > common and parts[common] == parents[0][common] for parts in parents):
        common += 1
    owners: dict[Path, Path] = {}
    for image in images:
        name = folder / PurePath(*image.parts[common:]).with_suffix(".png")
        if name.exists():
            raise DataError("An annotated copy would overwrite this file.", where=name, remedy="give --annotate a new folder")
        if (other := owners.setdefault(name, image)) != image:
            raise DataError(
                "Two images would have one annotated copy.", where=name, found=f"{other} and {image}", remedy="annotate them apart"
            )
    return {image: name for name, image in owners.items()}


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
