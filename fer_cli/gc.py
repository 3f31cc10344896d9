"""`fer gc`: what a checkout holds and no result needs, shown and then removed."""

from pathlib import Path
from typing import Annotated

import typer

from fer_core.base.settings import load_settings

__all__ = ["gc"]

_DVC = Path(".dvc")


def gc(
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove it; without, it is only shown.")
    ] = False,
    older: Annotated[
        float, typer.Option(min=0, help="Days that a folder must not have been written to.")
    ] = 7.0,
) -> None:
    """Show unused cache, scratch folders of trainings that stopped and what experiments left; with
    --yes remove them. What the workspace, any branch, tag or experiment needs always stays.
    """
    from fer_core.pipeline.checkout.cache import cache_settings
    from fer_core.pipeline.checkout.leftovers import leftovers, remove, unused_cache
    from fer_core.pipeline.checkout.reservations import only_run

    tmp = (_DVC / "tmp").absolute()
    tmp.mkdir(parents=True, exist_ok=True)
    with only_run(tmp, "fer gc", wait=False):
        cache = cache_settings(_DVC)["dir"].absolute()
        if not cache.is_relative_to(_DVC.absolute().parent):
            typer.echo(
                f"cache: {cache} may serve other projects too, and is left alone; `dvc gc "
                "--projects FOLDER …` names them all"
            )
        else:
            count, size = unused_cache(really=yes)
            typer.echo(
                f"cache: {count} objects that no branch, tag or experiment needs, {_mb(size)}"
            )
        found = leftovers(load_settings().runs, tmp, older)
        for leftover in found:
            about = f"{leftover.what}, untouched for {leftover.days:.0f} days"
            typer.echo(f"{leftover.path}: {about}, {_mb(leftover.size)}")
            if yes:
                remove(leftover)
        if not found:
            typer.echo(f"no folder is left over that was not written to for {older:g} days")
    typer.echo("removed" if yes else "nothing was removed: `fer gc --yes` removes all of it")


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
