"""The `fer` command."""

import logging
import sys

import typer

from fer_cli import compare, dag, data, doctor, manifest, predict, profile, results, run, tune
from fer_core.errors import FerError
from fer_core.logs import setup_logging

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Facial-expression recognition as one pipeline."
)
app.command("run", context_settings={"ignore_unknown_options": True})(run.run)
app.add_typer(data.app, name="data")
app.add_typer(manifest.app, name="manifest")
app.add_typer(profile.app, name="profile")
app.add_typer(dag.app, name="dag")
app.add_typer(tune.app, name="tune")
app.command("doctor")(doctor.doctor)
app.command("compare")(compare.compare)
app.command("predict")(predict.predict)
app.command("fetch-detector")(predict.fetch)
app.command("results")(results.results)


def main() -> None:
    """Run the command; errors of ours are shown as text, with status 1."""
    setup_logging()
    try:
        app()
    except FerError as error:
        logging.getLogger("fer").error("%s", error)
        sys.exit(1)
