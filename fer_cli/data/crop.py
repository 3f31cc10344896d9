"""`fer data crop`: the faces of whole photos, as a data set to be added."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from fer_cli.data.cutting import (
    SHEET,
    DetectorOption,
    Grid,
    MarginOption,
    Page,
    SeveralOption,
    SideOption,
    first_of,
    refuse_out,
)
from fer_core.base.errors import DataError
from fer_core.base.files import new_folder, write_text
from fer_core.base.logs import progress_off
from fer_core.predict.detection import MARGIN, YuNet
from fer_core.predict.fetching import detector_file
from fer_core.sources.cropping.cropping import (
    CropWishes,
    Outcome,
    PhotoFaces,
    Several,
    crop_photos,
    photos_in,
    write_log,
    write_subjects,
)
from fer_core.sources.files.tree import open_tree

__all__ = ["crop"]

_FACES, _LOG = "faces", "log.csv"
_NOTE = "log.csv beside this page lists all of them. Photos without a cut face are shown whole."
_SAME_PHOTO = r"--group-pattern '^(.+?)(\.face\d+)?\.png$'"


def crop(
    photos: Annotated[
        Path, typer.Argument(help="Folder of photos, such as one folder a class; or an archive.")
    ],
    out: Annotated[Path, typer.Argument(help="New folder for the faces, a log and a sheet.")],
    several: SeveralOption = Several.largest,
    margin: MarginOption = MARGIN,
    side: SideOption = CropWishes.side,
    detector: DetectorOption = None,
    max_pixels: Annotated[
        int, typer.Option(min=1, max=2**30, help="Photos of more pixels are not read.")
    ] = CropWishes.max_pixels,
) -> None:
    """Find the faces of whole photos and cut them out, in the folders in which the photos lie.

    OUT gets the faces (PNG, in `faces/`), a log of every face (`log.csv`) and a page that shows
    what was found and what was not (`sheet.html`). PHOTOS is only read.
    """
    refuse_out([photos], out, "photos")
    tree = open_tree(photos.expanduser().absolute())
    names = photos_in(tree)
    yunet = YuNet(detector or detector_file())
    wishes = CropWishes(several, margin, side, max_pixels)
    with new_folder(out.absolute()) as folder:
        (folder / _FACES).mkdir()
        cut = crop_photos(tree, names, folder / _FACES, yunet, wishes)
        bar = tqdm(cut, total=len(names), desc="crop", unit="photo", disable=progress_off())
        found = list(bar)
        tables = write_subjects(tree, folder / _FACES, found)
        write_log(folder / _LOG, found)
        faces = sum(len(one.files) for one in found)
        page = Page(photos, faces, f"{len(found):,} photos", _NOTE)
        write_text(folder / SHEET, page.html(_grids(found)))
    _report(found, several, out)
    if not any(one.files for one in found):
        raise DataError(
            "No face was cut out of any photo.",
            where=photos,
            found=f"{len(found)} photos; {out / SHEET} shows them",
            remedy="`--faces largest` takes photos of several people"
            if any(one.boxes for one in found)
            else "use photos in which faces are seen from the front and are 10 pixels or larger; "
            "faces that are cut out already need no `fer data crop`",
        )
    pattern = "" if several is not Several.all or tables else f" {_SAME_PHOTO}"
    typer.echo(f"look at {out / SHEET}; then `fer data add NAME {_quoted(out)}{pattern}`")


def _quoted(out: Path) -> str:
    return shlex.quote(str(out / _FACES))


def _report(found: Sequence[PhotoFaces], several: Several, out: Path) -> None:
    """Say what became of the photos, with counts and the first names."""
    what = {
        Several.largest: "the largest was cut out",
        Several.all: "all were cut out, with the photo's label",
        Several.skip: "left out",
    }[several]
    words = {
        Outcome.one: "with one face",
        Outcome.several: f"with several faces: {what}",
        Outcome.none: "without a face",
        Outcome.unread: "could not be read",
    }
    typer.echo(f"{sum(len(one.files) for one in found)} faces of {len(found)} photos, in {out}")
    for outcome, text in words.items():
        names = [one.photo for one in found if one.outcome is outcome]
        if names:
            shown = "" if outcome is Outcome.one else f": {first_of(names, _LOG)}"
            typer.echo(f"{len(names):6} {text}{shown}")


def _grids(found: Sequence[PhotoFaces]) -> list[Grid]:
    """What is shown of each outcome."""
    grids: list[Grid] = []
    for outcome in reversed(Outcome):
        some = [one for one in found if one.outcome is outcome]
        tiles = [
            (one.photo, tile, one.photo if not one.files else "")
            for one in some
            for tile in one.tiles
        ]
        if some and outcome is not Outcome.unread:
            grids.append((f"{outcome.capitalize()}: {len(some):,} photos", tiles, len(tiles)))
    return grids
