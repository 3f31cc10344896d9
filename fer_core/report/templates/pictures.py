"""Small pictures inside a page, and grids of them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fer_core.dataset.pack.pack import Pack
from fer_core.pixels.thumbnails import thumbnail_jpeg

__all__ = ["FaceGrid", "FaceTile", "packed_tile", "picture_address"]


@dataclass(frozen=True)
class FaceTile:
    """A face, its name, and the words below it."""

    name: str
    address: str
    words: str = ""


@dataclass(frozen=True)
class FaceGrid:
    """Faces that have one thing in common: its title, and how many are shown where not all are."""

    title: str
    tiles: Sequence[FaceTile]
    shown: str = ""


def picture_address(image: bytes, sample_id: str, pixels: int) -> str:
    """The `data:` address of a thumbnail; arguments as `thumbnail_jpeg` takes them."""
    encoded = base64.b64encode(thumbnail_jpeg(image, sample_id, pixels)).decode()
    return f"data:image/jpeg;base64,{encoded}"


def packed_tile(pack: Pack, row: int, words: str) -> FaceTile:
    """The face in a row of the pack, by its sample_id."""
    name = pack.rows.sample_ids[row]
    size: Any = pack.rows.frame[["width", "height"]].iloc[row]
    pixels = int(size["width"]) * int(size["height"])
    return FaceTile(name, picture_address(pack.image(row), name, pixels), words)
