"""The `fer` command.

The module of a command is imported when the command is asked for: `fer doctor` must work where a
library that others need is broken.
"""

import logging
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from fer_core.base.errors import FerError
from fer_core.base.logs import setup_logging

__all__ = ["COMMANDS", "app", "main"]

COMMANDS = {
    "run": "run:run",
    "data": "data.commands:app",
    "manifest": "data.manifest:app",
    "profile": "profile:app",
    "dag": "dag:app",
    "tune": "tune.command:app",
    "doctor": "doctor.command:doctor",
    "verify": "verify:verify",
    "gc": "gc:gc",
    "compare": "compare:compare",
    "softlabels": "softlabels:app",
    "tta": "tta:tta",
    "predict": "predict.command:predict",
    "live": "live.command:app",
    "fetch-detector": "predict.command:fetch",
    "report": "report:report",
    "results": "results.command:results",
    "release": "release:release",
}
"""Name of each command -> module of fer_cli, and in it a typer application or the command's
function.
"""
_PASSES_OPTIONS_ON = frozenset({"run"})
_OURS = ("fer_core", "fer_cli")


class _Commands(TyperGroup):
    """COMMANDS, each imported at its first use."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, or None."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            module, _, attribute = COMMANDS[cmd_name].partition(":")
            try:
                found = getattr(import_module(f"fer_cli.{module}"), attribute)
            except ImportError as error:
                if _is_ours(error):
                    raise
                return _absent(cmd_name, error)
            if not isinstance(found, typer.Typer):
                one = typer.Typer(add_completion=False)
                one.command(
                    cmd_name,
                    context_settings={"ignore_unknown_options": cmd_name in _PASSES_OPTIONS_ON},
                )(found)
                found = one
            command = typer.main.get_command(found)
            command.name = cmd_name
            self.add_command(command, cmd_name)
        return self.commands[cmd_name]


def _is_ours(error: ImportError) -> bool:
    return (error.name or "").split(".")[0] in _OURS


def _absent(name: str, error: ImportError) -> TyperCommand:
    """A command whose libraries are not installed: it has a line in the help, and fails."""

    def fail() -> None:
        raise error

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    text = "Needs packages of the extra `train` that are not installed here."
    return TyperCommand(name, callback=fail, help=text, context_settings=settings)


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def _group() -> None:
    """Facial-expression recognition as one pipeline."""


def main() -> None:
    """Run the command; errors of ours and libraries that cannot be loaded are shown as text, with
    status 1.
    """
    setup_logging()
    try:
        app()
    except FerError as error:
        logging.getLogger("fer").error("%s", error)
        sys.exit(1)
    except ImportError as error:
        if _is_ours(error):
            raise
        logging.getLogger("fer").error(
            "A library cannot be loaded.\n  found: %s\n  remedy: `fer doctor` says what is "
            "missing; `pip install fer-dag[train]` brings what the pipeline needs",
            error,
        )
        sys.exit(1)
