"""What `fer data crop` and `fer data frames` share: options, and the page of what was found."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fer_cli.apart import refuse_inside
from fer_core.base.errors import DataError
from fer_core.sources.cropping.cropping import Several

__all__ = [
    "SHEET",
    "TILES",
    "DetectorOption",
    "Grid",
    "MarginOption",
    "Page",
    "SeveralOption",
    "SideOption",
    "first_of",
    "refuse_out",
]

SHEET = "sheet.html"
TILES = 400
_NAMES = 5

SeveralOption = Annotated[
    Several,
    typer.Option(
        "--faces",
        help="Of several faces in one picture: the largest one, all, or skip the picture.",
    ),
]
MarginOption = Annotated[
    float,
    typer.Option(
        min=-0.4,
        max=1,
        help="Added to each side of a face, as a share of the longer side of its box; as "
        "`fer predict --detect` has it.",
    ),
]
SideOption = Annotated[
    int, typer.Option(min=32, help="Larger crops are shrunk to so many pixels a side.")
]
DetectorOption = Annotated[
    Path | None,
    typer.Option(
        help="YuNet file; default: the one that came with the requirements.",
        envvar="FER_DETECTOR",
    ),
]

Grid = tuple[str, Sequence[tuple[str, bytes, str]], int]
"""A title, tiles (name, JPEG and the words below it), and of how many they are."""


def refuse_out(given: Sequence[Path], out: Path, what: str) -> None:
    """Refuse to write into what is read, or over anything.

    Raises:
        DataError: OUT lies in one of the paths given, is a file, or holds something.
    """
    refuse_inside(given, out, "faces", what, "_faces")
    here = out.expanduser().resolve()
    if here.exists() and (not here.is_dir() or any(here.iterdir())):
        raise DataError(
            "This is there already.",
            where=out,
            found="a folder with something in it" if here.is_dir() else "a file",
            expected="a new or empty folder",
            remedy="name another folder, or remove this one",
        )


def first_of(names: Sequence[str], table: str) -> str:
    """The first few names, and where the others are."""
    more = f" and {len(names) - _NAMES} more, in {table}" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


@dataclass(frozen=True)
class Page:
    """The page of what was found and what was not.

    Attributes:
        title: what was searched.
        faces: that were cut out.
        searched: what, with its number.
        note: what a reader should know.
    """

    title: object
    faces: int
    searched: str
    note: str

    def html(self, grids: Sequence[Grid]) -> str:
        """The page with these pictures."""
        # every `fer` command would wait for it
        from fer_core.report.templates.load import page_environment
        from fer_core.report.templates.pictures import FaceGrid, FaceTile

        shown = [
            FaceGrid(
                title,
                [FaceTile(name, _address(jpeg), words) for name, jpeg, words in tiles[:TILES]],
                f"{min(len(tiles), TILES):,} of {total:,} shown",
            )
            for title, tiles, total in grids
        ]
        template = page_environment(Path(__file__).parent).get_template("crop.html.j2")
        return template.render(page=self, grids=shown)


def _address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
