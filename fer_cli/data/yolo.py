"""`fer data yolo`: AffectNet in YOLO format with the seven classes, for training a detector."""

from pathlib import Path
from typing import Annotated

import typer

from fer_core.base import paths
from fer_core.base.errors import DataError
from fer_core.base.settings import load_settings
from fer_core.sources.catalogue.descriptor import checked_tree, read_descriptor
from fer_core.sources.remapping.yolo import remap_yolo

__all__ = ["yolo"]

_LAYOUT = "affectnet_yolo"


def yolo(
    name: Annotated[str, typer.Argument(help="Name of a data set of layout affectnet_yolo.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
) -> None:
    """Write a detection data set anew with the seven classes: data.yaml, label lines and photos.

    Lines of other classes are dropped, and photos that have no other lines left out; remap.json in
    the folder counts both.
    """
    found = read_descriptor(paths.SOURCES / f"{name}.json")
    if found.layout != _LAYOUT or not found.present:
        raise DataError(
            "This is no detection data set that is here.",
            where=paths.SOURCES / f"{name}.json",
            found=f"layout {found.layout}, {'here' if found.present else 'not here'}",
            expected=f"layout {_LAYOUT}",
            remedy="`fer data add NAME PATH` with the folder of data.yaml",
        )
    told = remap_yolo(checked_tree(found, load_settings().raw), out)
    for split, count in told["splits"].items():
        typer.echo(
            f"{split}: {count['photos_kept']:,} photos with {count['lines_kept']:,} faces; "
            f"{count['lines_dropped']:,} faces of other classes dropped, "
            f"{count['photos_left_out']:,} photos left out"
        )
    typer.echo(f"wrote {out / 'data.yaml'}")
