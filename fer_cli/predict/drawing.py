"""Images with the faces that were found, and what the network says of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

import numpy as np

from fer_cli.predict.output import Answer
from fer_core.base.errors import DataError
from fer_core.pixels.opencv import cv2

__all__ = ["annotated", "annotated_names", "place_label"]

_SURE, _UNSURE = (0, 158, 115), (117, 112, 179)
_LETTERS = 10
"""Least height of capital letters in pixels."""
_LARGEST_LETTERS = 1 / 20
"""Greatest height as a share of the image's shorter side."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX

Area = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are the first column and row outside."""


def annotated_names(files: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Where each image's annotated copy goes: its path below what all images have in common, as
    PNG; `a.jpg.png` and `a.png.png` where two would have one name.

    Args:
        files: images; one that is given twice, under whatever spellings, has one copy.
        folder: is created when needed; nothing in it is overwritten.

    Returns:
        Resolved path of each image -> file to write.

    Raises:
        DataError: two images would have one name, a copy's name is taken, or the folder is a file.
    """
    images = list(dict.fromkeys(file.resolve() for file in files))
    if (
        blocking := next((part for part in (folder, *folder.parents) if part.exists()), folder)
    ).exists() and not blocking.is_dir():
        raise DataError(
            "Annotated copies go to a folder, and this is a file.",
            where=blocking,
            remedy="give a folder to --annotate",
        )
    parents = [file.parent.parts for file in images]
    common = 0
    while parents and all(
        len(parts) > common and parts[common] == parents[0][common] for parts in parents
    ):
        common += 1
    short = Counter(_copy(image, common, folder, ".png") for image in images)
    owners: dict[Path, Path] = {}
    for image in images:
        name = _copy(image, common, folder, ".png")
        if short[name] > 1:  # a.png and a.jpg
            name = _copy(image, common, folder, f"{image.suffix}.png")
        if name.exists():
            raise DataError(
                "An annotated copy would overwrite this file.",
                where=name,
                remedy="give --annotate a new folder",
            )
        if (other := owners.setdefault(name, image)) != image:
            raise DataError(
                "Two images would have one annotated copy.",
                where=name,
                found=f"{other} and {image}",
                remedy="annotate them apart",
            )
    return {image: name for name, image in owners.items()}


def _copy(image: Path, common: int, folder: Path, ending: str) -> Path:
    return folder / PurePath(*image.parts[common:]).with_suffix(ending)


def annotated(image: np.ndarray, answers: Iterable[Answer]) -> np.ndarray:
    """A copy of an image with a box and a line of text for each face, its number first where there
    are several; an unsure one in another colour and with a question mark.

    The letters follow the width of the box. A label lies inside the image, and beside the faces and
    the other labels where there is room.

    Args:
        image: RGB, uint8 [H, W, 3].
        answers: of this image.

    Returns:
        RGB, uint8 [H, W, 3]; images too small to carry letters are enlarged.
    """
    factor = max(1, -(-160 // min(image.shape[:2])))
    drawn = (
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
        if factor > 1
        else image.copy()
    )
    faces = [
        (answer, _area(answer, drawn, factor))
        for answer in answers
        if answer.face is not None and answer.top
    ]
    for answer, (left, top, right, bottom) in faces:
        stroke = max(1, round(min(min(drawn.shape[:2]) / 300, (right - left) / 25)))
        cv2.rectangle(drawn, (left, top), (right, bottom), _colour(answer), stroke)
    taken = [area for _, area in faces]
    for answer, area in faces:
        taken.append(_label(drawn, answer, area, taken, numbered=len(faces) > 1))
    return drawn


def _area(answer: Answer, drawn: np.ndarray, factor: int) -> Area:
    if answer.box is None:
        return 0, 0, drawn.shape[1] - 1, drawn.shape[0] - 1
    left, top = answer.box.left * factor, answer.box.top * factor
    return left, top, left + answer.box.width * factor, top + answer.box.height * factor


def _colour(answer: Answer) -> tuple[int, int, int]:
    return _SURE if answer.label is not None else _UNSURE


def _label(
    image: np.ndarray, answer: Answer, face: Area, taken: Sequence[Area], *, numbered: bool
) -> Area:
    """Draw white words on a patch of the face's colour, and say where."""
    words = f"{answer.label or answer.top[0][0] + '?'} {100 * (answer.confidence or 0):.0f}%"
    words = f"{answer.face} {words}" if numbered else words
    as_wide = (face[2] - face[0]) / cv2.getTextSize(words, _FONT, 1.0, 1)[0][0]
    largest = max(_LETTERS, round(_LARGEST_LETTERS * min(image.shape[:2])))
    least, most = (cv2.getFontScaleFromHeight(_FONT, height) for height in (_LETTERS, largest))
    scale = float(np.clip(as_wide, least, most))
    (_, letters), _ = cv2.getTextSize(words, _FONT, scale, 1)
    weight, pad = max(1, letters // 12), max(2, letters // 4)
    (width, tall), below = cv2.getTextSize(words, _FONT, scale, weight)
    x, y = place_label(
        (width + 2 * pad, tall + below + 2 * pad), face, taken, (image.shape[1], image.shape[0])
    )
    patch = (x, y, x + width + 2 * pad, y + tall + below + 2 * pad)
    cv2.rectangle(image, patch[:2], (patch[2] - 1, patch[3] - 1), _colour(answer), cv2.FILLED)
    cv2.putText(
        image, words, (x + pad, y + pad + tall), _FONT, scale, (255, 255, 255), weight, cv2.LINE_AA
    )
    return patch


def place_label(
    size: tuple[int, int], face: Area, taken: Sequence[Area], limits: tuple[int, int]
) -> tuple[int, int]:
    """Where a label covers least: above its face, below it, or beside it; among equals the first.

    Args:
        size: width and height of the label.
        face: that the label belongs to.
        taken: what should stay visible: all faces and the labels that have a place.
        limits: width and height of the image, which the label does not leave where it fits in.

    Returns:
        Left and top.
    """
    (wide, tall), (left, top, right, bottom) = size, face
    places = [(x, y) for y in (top - tall, bottom + 1) for x in (left, right - wide)]
    places += [(x, y) for x in (right + 1, left - wide) for y in (top, bottom - tall)]
    places = [
        (max(0, min(x, limits[0] - wide)), max(0, min(y, limits[1] - tall))) for x, y in places
    ]
    return min(
        places,
        key=lambda place: sum(
            _overlap((*place, place[0] + wide, place[1] + tall), area) for area in taken
        ),
    )


def _overlap(one: Area, other: Area) -> int:
    """Square pixels that two areas share."""
    width, height = (
        min(one[end], other[end]) - max(one[end - 2], other[end - 2]) for end in (2, 3)
    )
    return max(width, 0) * max(height, 0)
