"""`fer results`: what a finished run measured, as Markdown, taken from its metrics files and
nothing else.
"""

from pathlib import Path
from typing import Annotated

import typer

from fer_cli.results.pages import distillation_page, results_page, trainings_page, trust_page
from fer_cli.results.tables import compare_sets, model_table
from fer_core.base.errors import ArtifactError
from fer_core.base.files import write_text
from fer_core.base.glossary import TERMS
from fer_core.base.params import read_params

__all__ = ["glossary_section", "results", "with_table"]

_MARKS = ("<!-- results -->", "<!-- /results -->")
_TERM_MARKS = ("<!-- terms -->", "<!-- /terms -->")


def results(
    out: Annotated[
        Path | None, typer.Option(help="Write a page of the whole outcome here.")
    ] = None,
    distillation: Annotated[
        Path | None,
        typer.Option(help="Write a page on the training methods against each other here."),
    ] = None,
    trainings: Annotated[
        Path | None,
        typer.Option(help="Write a page of what each training took here, with pictures."),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(help="Write a page of how far to trust the deployed student, with pictures."),
    ] = None,
    trials: Annotated[
        Path | None, typer.Option(help="Table of `fer tune show --out`, for the pages.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the pages.")] = None,
    into: Annotated[
        Path | None, typer.Option(help="Replace the table between the result marks of this file.")
    ] = None,
    glossary: Annotated[
        Path | None, typer.Option(help="Replace the terms between the term marks of this file.")
    ] = None,
) -> None:
    """Print the result table of the last run, or write pages of results with their provenance."""
    pages: dict[Path, str] = {}
    if out is not None:
        pages |= results_page(title or "Results", out, trials)
    if distillation is not None:
        pages[distillation] = distillation_page(title or "Methods compared", trials)
    if trainings is not None:
        pages |= trainings_page(title or "Trainings", trainings)
    if trust is not None:
        pages |= trust_page(title or "How far to trust it", trust)
    for file, page in pages.items():
        write_text(file, page)
        typer.echo(f"wrote {file}")
    if glossary is not None:
        text = glossary.read_text(encoding="utf-8")
        write_text(glossary, with_table(text, glossary_section(), glossary, _TERM_MARKS))
        typer.echo(f"wrote the terms into {glossary}")
    if (not pages and glossary is None) or into is not None:
        table = model_table(compare_sets(read_params())[0])
        if into is None:
            typer.echo(table)
        else:
            write_text(into, with_table(into.read_text(encoding="utf-8"), table, into))
            typer.echo(f"wrote the table into {into}")


def glossary_section() -> str:
    """The terms that pages explain, as Markdown."""
    terms = sorted(TERMS.items(), key=lambda item: item[0].lower())
    return "\n" + "\n".join(f"- **{term}**: {meaning}" for term, meaning in terms) + "\n"


def with_table(text: str, table: str, where: Path, marks: tuple[str, str] = _MARKS) -> str:
    """The text with the table between its two marks.

    Raises:
        ArtifactError: the marks are missing.
    """
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise ArtifactError(
            "The result marks are missing.", where=where, expected=" and ".join(marks)
        )
    return f"{before}{begin}\n{table}\n{end}{after}"
