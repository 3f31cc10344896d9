"""`fer data doubts`: a sheet of the labels that teachers doubt who have not learned from them."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import typer

from fer_cli.data.cutting import refuse_out
from fer_core.base import paths
from fer_core.base.files import new_folder, write_text
from fer_core.base.params import Params
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.inspection.doubt import check_not_learned, doubted_labels
from fer_core.evaluation.inspection.softlabels import fused_split

__all__ = ["doubts"]

_TABLE, _SHEET = "doubts.csv", "sheet.html"


def doubts(
    out: Annotated[Path, typer.Argument(help="New folder for the table and the sheet.")],
    split: Annotated[
        Literal["train", "val", "calib"], typer.Option(help="Rows of this split.")
    ] = "train",
    shown: Annotated[
        int, typer.Option(min=1, help="Most pictures of each label on the sheet.")
    ] = 60,
) -> None:
    """List the labels that the last run's teachers doubt, the most doubtful first.

    OUT gets a table (`doubts.csv`) and a page of the pictures (`sheet.html`). Train rows need
    `teacher.folds`, for teachers do not doubt what they have learned. Nothing is changed.
    """
    refuse_out([], out, "pictures")
    fused = fused_split(Params.load(), split)
    check_not_learned(fused, split)
    table = doubted_labels(fused)
    with new_folder(out.absolute()) as folder:
        write_text(folder / _TABLE, table.to_csv(index=False, lineterminator="\n"))
        write_text(folder / _SHEET, _sheet(table, split, len(fused.rows), shown))
    typer.echo(f"{len(table):,} of {len(fused.rows):,} labels are doubted: {out / _TABLE}")
    pairs = Counter(zip(table["label"], table["suggested"], strict=True))
    for (label, suggested), count in pairs.most_common(10):
        typer.echo(f"{count:6} {label}, perhaps {suggested}")
    typer.echo(f"look at {out / _SHEET}")


def _sheet(table: pd.DataFrame, split: str, rows: int, most: int) -> str:
    # every `fer` command would wait for it
    from fer_core.report.templates.load import page_environment
    from fer_core.report.templates.pictures import FaceGrid, packed_tile

    pack = Pack.open(paths.DEV)
    row_of = {sample_id: row for row, sample_id in enumerate(pack.rows.sample_ids)}
    grids = []
    for label, mine in table.groupby("label", sort=False):
        tiles = []
        for face in mine.head(most).to_dict("records"):
            words = (
                f"{label} {face['label_probability']:.0%}, {face['suggested']} "
                f"{face['suggested_probability']:.0%}"
            )
            tiles.append(packed_tile(pack, row_of[face["sample_id"]], words))
        part = f"{len(tiles):,} shown" if len(tiles) < len(mine) else ""
        grids.append(FaceGrid(f"Labelled {label}: {len(mine):,}", tiles, part))
    template = page_environment(Path(__file__).parent).get_template("doubts.html.j2")
    return template.render(split=split, doubted=len(table), rows=rows, grids=grids)
