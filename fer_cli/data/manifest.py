"""`fer manifest`: the manifest for people and for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_cli.data.leakage import leakage
from fer_core.base.errors import ParamsError
from fer_core.base.params import PARAMS_FILE, Params

if TYPE_CHECKING:
    import pandas as pd

    from fer_core.dataset.pack.named_sets import SetFilter

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Export the manifest, count its rows, or show its duplicates."
)
app.command()(leakage)

MANIFEST = Path("data/manifest.parquet")
CLEAN = Path("data/clean")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The CSV to write.")],
    set_name: Annotated[
        str | None, typer.Option("--set", help="Only rows of this named set of params.yaml.")
    ] = None,
    splits: Annotated[
        list[str] | None,
        typer.Option("--split", help="Only rows of this final split; may be repeated."),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", help="Only rows of this data set; may be repeated."),
    ] = None,
    with_dropped: Annotated[
        bool,
        typer.Option(
            "--with-dropped", help="Dropped rows too, and the columns reason and duplicate_of."
        ),
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Write the faces here too, a new or empty folder; image_path is then relative to "
            "it."
        ),
    ] = None,
) -> None:
    """Write the manifest as CSV, in the columns of the original system."""
    from fer_core.dataset.export.exporting import Selection, chosen_rows, write_csv, write_images
    from fer_core.dataset.manifest.table import read_manifest

    chosen = None if set_name is None else _named_set(set_name)
    selection = Selection(
        tuple(splits or ()), tuple(sources or ()), chosen, set_name or "", with_dropped
    )
    rows = chosen_rows(read_manifest(MANIFEST), selection)
    if images is not None:
        rows = write_images(rows, CLEAN, images)
        typer.echo(f"wrote {len(rows)} pictures to {images}")
    write_csv(out, rows, with_dropped=with_dropped)
    typer.echo(f"wrote {len(rows)} rows to {out}")


@app.command()
def stats() -> None:
    """Show how many rows each class has, by data set and split."""
    from fer_core.dataset.export.exporting import split_counts
    from fer_core.dataset.manifest.table import read_manifest

    typer.echo(_table(split_counts(read_manifest(MANIFEST))))


def _named_set(name: str) -> "SetFilter":
    """A set of params.yaml.

    Raises:
        ParamsError: there is no such set.
    """
    from fer_core.dataset.pack.named_sets import NamedSets

    sets: NamedSets = Params.load().section("sets", NamedSets)
    if name not in sets:
        raise ParamsError(
            "There is no such named set.",
            where=f"{PARAMS_FILE}: sets",
            found=name,
            expected=", ".join(sets),
        )
    return sets[name]


def _table(counts: "pd.DataFrame") -> str:
    """Lines of equal columns: source, split, classes, total; and a last line with the sums of all
    kept rows.
    """
    head = ["source", "split", *counts.columns]
    body = [
        [str(part) for part in key] + [str(n) for n in row]
        for key, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    kept = counts[counts.index.get_level_values("split") != "dropped"].sum()
    lines = [head, *body, ["all", "kept", *(str(n) for n in kept)]]
    width = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(size) if column < 2 else cell.rjust(size)
            for column, (cell, size) in enumerate(zip(line, width, strict=True))
        )
        for line in lines
    )
