"""`fer data forget`: a person's faces out of the data, and what was made of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from fer_core.base import paths
from fer_core.base.errors import FerError
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.sources.adding.changes import Descriptors
from fer_core.sources.adding.forgetting import forget as forget_faces
from fer_core.sources.catalogue.options import CleanOptions

__all__ = ["forget", "models"]

_NEXT = """next:
  1. delete the raw pictures (above), then `fer data refresh NAME`
  2. `fer run`: store, pack and models are made again without them
  3. commit, then purge what older commits hold: `dvc gc --workspace` here, and for each remote
     `dvc gc --workspace --cloud --remote REMOTE`; only the present state stays, of no other
     branch, tag or experiment
  4. replace the models above wherever they were handed out"""


def forget(
    who: Annotated[
        list[str],
        typer.Argument(
            help="Persons (of subjects.csv or the group pattern) or pictures (paths, sample_ids)."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option("--from", help="Look in this data set; in all if left out."),
    ] = None,
) -> None:
    """Take the faces of a person out of the data sets for good, and say which models know them.

    The descriptors keep a hash of each picture, so that adding it again does not bring it back.
    """
    options: CleanOptions = Params.load().section("clean", CleanOptions)
    gone = forget_faces(Descriptors(paths.SOURCES, load_settings().raw, options), who, name)
    for one in gone:
        typer.echo(f"{one.name}: {len(one.sample_ids)} faces forgotten; wrote its descriptor")
        for file in one.files:
            typer.echo(f"  still on this disk: {file}")
    known = list(models({key for one in gone for key in one.sample_ids}))
    typer.echo("models made with them:" if known else "no model here was made with them")
    for model in known:
        typer.echo(f"  {model}")
    typer.echo(_NEXT)


def models(sample_ids: set[str]) -> Iterator[Path]:
    """Saved models whose pack holds one of these rows; exported files of them too."""
    from fer_core.dataset.pack.rows import read_rows
    from fer_core.models.networks.card import read_card

    try:
        rows = read_rows(paths.DEV)
    except FerError:
        return
    if sample_ids.isdisjoint(rows.sample_ids):
        return
    for folder in _folders((paths.TEACHERS, paths.STUDENTS)):
        if read_card(folder).rows_sha256 == rows.sha256:
            yield folder
    yield from sorted((*paths.ONNX.glob("*.onnx"), *paths.ONNX_TEACHERS.glob("*/*.onnx")))


def _folders(above: Sequence[Path]) -> list[Path]:
    return sorted(file.parent for folder in above for file in folder.rglob("model/model.json"))
