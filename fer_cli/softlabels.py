"""`fer softlabels`: what the teachers say together, of any split, for people and other tools."""

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from fer_core.base.errors import ParamsError
from fer_core.base.params import Params
from fer_core.evaluation.inspection.softlabels import Split, export_fused, fused_split, sharpness

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Look at the ensemble's soft labels of the last run, or hand them out.",
)

_Split = Annotated[Split, typer.Option(help="Rows of this split.")]


@app.command()
def inspect(
    split: _Split = "train",
    temperature: Annotated[
        list[float] | None, typer.Option(help="Divide the logits by this; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table as CSV here as well.")] = None,
) -> None:
    """Accuracy, and how sure and how spread the soft labels are at each temperature."""
    temperatures = temperature or [1.0, 1.2, 2.0, 4.0]
    if wrong := [value for value in temperatures if not 0 < value < math.inf]:
        raise ParamsError(
            "A temperature must be a number above 0.",
            where="--temperature",
            found=wrong,
            remedy="give others, such as --temperature 1 --temperature 4",
        )
    table = sharpness(fused_split(Params.load(), split), temperatures)
    shown = table.set_index("temperature").T
    typer.echo(shown.to_string(float_format=lambda value: f"{value:.4f}"))
    if out is not None:
        table.to_csv(out, index=False, lineterminator="\n")
        typer.echo(f"wrote {out}")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    split: _Split = "test",
    dtype: Annotated[
        Literal["float16", "float32"], typer.Option(help="Precision of the logits.")
    ] = "float32",
) -> None:
    """Write calibrated fused logits at temperature 1 with labels, ids and class order."""
    fused = fused_split(Params.load(), split)
    export_fused(out, fused, dtype)
    typer.echo(f"{len(fused.rows):,} rows of {split}: {out / 'softlabels.npz'}")
