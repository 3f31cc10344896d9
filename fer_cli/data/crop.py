"""`fer data crop`: the faces of whole photos, as a data set to be added."""

import base64
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

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

_NAMES, _TILES = 5, 400
_FACES, _LOG, _SHEET = "faces", "log.csv", "sheet.html"
_SAME_PHOTO = r"--group-pattern '^(.+?)(\.face\d+)?\.png$'"


def crop(
    photos: Annotated[
        Path, typer.Argument(help="Folder of photos, such as one folder a class; or an archive.")
    ],
    out: Annotated[Path, typer.Argument(help="New folder for the faces, a log and a sheet.")],
    several: Annotated[
        Several,
        typer.Option(
            "--faces",
            help="Of several faces in one photo: the largest one, all, or skip the photo.",
        ),
    ] = Several.largest,
    margin: Annotated[
        float,
        typer.Option(
            min=-0.4,
            max=1,
            help="Added to each side of a face, as a share of the longer side of its box; as "
            "`fer predict --detect` has it.",
        ),
    ] = MARGIN,
    side: Annotated[
        int, typer.Option(min=32, help="Larger crops are shrunk to so many pixels a side.")
    ] = CropWishes.side,
    detector: Annotated[
        Path | None,
        typer.Option(
            help="YuNet file; default: the one that came with the requirements.",
            envvar="FER_DETECTOR",
        ),
    ] = None,
    max_pixels: Annotated[
        int, typer.Option(min=1, max=2**30, help="Photos of more pixels are not read.")
    ] = CropWishes.max_pixels,
) -> None:
    """Find the faces of whole photos and cut them out, in the folders in which the photos lie.

    OUT gets the faces (PNG, in `faces/`), a log of every face (`log.csv`) and a page that shows
    what was found and what was not (`sheet.html`). PHOTOS is only read.
    """
    _refuse_out(photos, out)
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
        write_text(folder / _SHEET, _sheet(photos, found))
    _report(found, several, out)
    if not any(one.files for one in found):
        raise DataError(
            "No face was cut out of any photo.",
            where=photos,
            found=f"{len(found)} photos; {out / _SHEET} shows them",
            remedy="`--faces largest` takes photos of several people"
            if any(one.boxes for one in found)
            else "use photos in which faces are seen from the front and are 10 pixels or larger; "
            "faces that are cut out already need no `fer data crop`",
        )
    pattern = "" if several is not Several.all or tables else f" {_SAME_PHOTO}"
    typer.echo(f"look at {out / _SHEET}; then `fer data add NAME {_quoted(out)}{pattern}`")


def _quoted(out: Path) -> str:
    return shlex.quote(str(out / _FACES))


def _refuse_out(photos: Path, out: Path) -> None:
    """Refuse to write into the photos, or over anything.

    Raises:
        DataError: OUT lies in PHOTOS, is a file, or holds something.
    """
    here, there = out.expanduser().resolve(), photos.expanduser().resolve()
    if here == there or there in here.parents:
        raise DataError(
            "The faces would be written among the photos.",
            where=out,
            remedy=f"name a folder beside them, such as {there.with_name(there.stem + '_faces')}",
        )
    if here.exists() and (not here.is_dir() or any(here.iterdir())):
        raise DataError(
            "This is there already.",
            where=out,
            found="a folder with something in it" if here.is_dir() else "a file",
            expected="a new or empty folder",
            remedy="name another folder, or remove this one",
        )


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
        shown = ", ".join(names[:_NAMES]) if outcome is not Outcome.one else ""
        more = f" and {len(names) - _NAMES} more, in {_LOG}" if len(names) > _NAMES else ""
        if names:
            typer.echo(f"{len(names):6} {text}{f': {shown}{more}' if shown else ''}")


def _sheet(photos: Path, found: Sequence[PhotoFaces]) -> str:
    """The page of what was found and what was not."""
    # every `fer` command would wait for it
    from fer_core.report.templates.load import page_environment
    from fer_core.report.templates.pictures import FaceGrid, FaceTile

    grids = []
    for outcome in reversed(Outcome):
        some = [one for one in found if one.outcome is outcome]
        tiles = [
            FaceTile(one.photo, _address(tile), one.photo if not one.files else "")
            for one in some
            for tile in one.tiles
        ]
        if some and outcome is not Outcome.unread:
            shown = f"{min(len(tiles), _TILES):,} of {len(tiles):,} shown"
            title = f"{outcome.capitalize()}: {len(some):,} photos"
            grids.append(FaceGrid(title, tiles[:_TILES], shown))
    return (
        page_environment(Path(__file__).parent)
        .get_template("crop.html.j2")
        .render(
            folder=photos,
            faces=sum(len(one.files) for one in found),
            photos=len(found),
            grids=grids,
        )
    )


def _address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
