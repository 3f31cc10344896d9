"""How every stage starts and ends: logging on, errors of ours as text with exit status 1, everything else as a traceback."""

import logging
import sys
from collections.abc import Callable
from typing import Any

import typer

from fer_core.errors import FerError
from fer_core.logs import setup_logging

__all__ = ["run_stage"]


def run_stage(main: Callable[..., Any]) -> None:
    """Run a stage's typer function as the program."""
    setup_logging()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        app()
    except FerError as error:
        logging.getLogger(main.__module__).error("%s", error)
        sys.exit(1)
