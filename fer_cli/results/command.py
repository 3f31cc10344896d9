"""`fer results`: what a finished run measured, as Markdown, taken from its metrics files and
nothing else.
"""

from pathlib import Path
from typing import Annotated

import typer

from fer_cli.results.distillation import distillation_page
from fer_cli.results.page import results_page
from fer_cli.results.tables import compare_sets, model_table
from fer_core.base.errors import ArtifactError
from fer_core.base.files import write_text
from fer_core.base.params import read_params

__all__ = ["results", "with_table"]

_MARKS = ("<!-- results -->", "<!-- /results -->")


def results(
    out: Annotated[
        Path | None, typer.Option(help="Write a page of the whole outcome here.")
    ] = None,
    distillation: Annotated[
        Path | None,
        typer.Option(help="Write a page on the training methods against each other here."),
    ] = None,
    trials: Annotated[
        Path | None, typer.Option(help="Table of `fer tune show --out`, for the page on methods.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the pages.")] = None,
    into: Annotated[
        Path | None, typer.Option(help="Replace the table between the result marks of this file.")
    ] = None,
) -> None:
    """Print the result table of the last run, or write pages of results with their provenance."""
    pages = [
        (out, lambda: results_page(title or "Results")),
        (distillation, lambda: distillation_page(title or "Methods compared", trials)),
    ]
    for file, page in pages:
        if file is not None:
            write_text(file, page())
            typer.echo(f"wrote {file}")
    if (out is None and distillation is None) or into is not None:
        table = model_table(compare_sets(read_params())[0])
        if into is None:
            typer.echo(table)
        else:
            write_text(into, with_table(into.read_text(encoding="utf-8"), table, into))
            typer.echo(f"wrote the table into {into}")


def with_table(text: str, table: str, where: Path) -> str:
    """The text with the table between its two result marks.

    Raises:
        ArtifactError: the marks are missing.
    """
    before, begin, rest = text.partition(_MARKS[0])
    _, end, after = rest.partition(_MARKS[1])
    if not begin or not end:
        raise ArtifactError(
            "The result marks are missing.", where=where, expected=" and ".join(_MARKS)
        )
    return f"{before}{begin}\n{table}\n{end}{after}"
