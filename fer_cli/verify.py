"""`fer verify`: every artifact read again and compared with what was recorded of it."""

from pathlib import Path
from typing import Annotated

import typer

from fer_core.pipeline.checkout.cache import cache_settings
from fer_core.pipeline.checkout.verify import verify_outs

__all__ = ["verify"]


def verify(
    deep: Annotated[
        bool,
        typer.Option(help="Compare headers, every batch of faces, and DVC's copies too."),
    ] = False,
) -> None:
    """Read everything the pipeline made and compare it with dvc.lock.

    Ends with status 1 when anything is missing or was changed.
    """
    found = 0
    for damage in verify_outs(cache_settings(Path(".dvc"))["dir"], deep):
        found += 1
        typer.echo(f"{damage.where}: {damage.what}\n  remedy: {damage.remedy}")
    typer.echo(f"{found} faults" if found else "everything is as it was recorded")
    raise typer.Exit(1 if found else 0)
