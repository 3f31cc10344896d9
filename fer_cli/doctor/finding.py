"""What a check of `fer doctor` says, and how checks are run so that a broken machine gives findings
and not a traceback.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fer_core.base.errors import FerError

__all__ = ["Finding", "Level", "ProbeError", "guarded", "of_error", "probe"]

_PATIENCE = 180  # seconds for the first import of torch on a slow disk


class Level(StrEnum):
    """How bad it is: FAIL means that the pipeline cannot run or cannot be trusted."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        level: how bad it is.
        what: what was looked at, in a word or two.
        text: what was found.
        remedy: what to do about it; "" where nothing is to be done.
    """

    level: Level
    what: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        text = " ".join(
            f"{self.text} -> {self.remedy}".split() if self.remedy else self.text.split()
        )
        return f"{self.level:5} {self.what:17} {text}"


class ProbeError(Exception):
    """A program that was tried failed; the text is the last thing it said."""


def of_error(what: str, error: FerError) -> Finding:
    """The finding that says what one of our errors says."""
    told = [
        error.problem.rstrip("."),
        *(
            f"{name} {value}"
            for name, value in (("in", error.where), ("found", error.found))
            if value is not None
        ),
    ]
    return Finding(Level.FAIL, what, "; ".join(told), error.remedy or "")


def guarded(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of a check; what it raises because something on this machine is broken becomes
    one.
    """
    try:
        yield from check()
    except FerError as error:
        yield of_error(what, error)
    except ImportError as error:
        yield Finding(Level.FAIL, what, f"cannot be imported: {error}", "`make setup`")
    except (OSError, ValueError, ProbeError) as error:
        yield Finding(Level.FAIL, what, str(error))


def probe(code: str) -> dict[str, Any]:
    """Run a piece of Python by itself, for an import that may fail, hang or kill its process; the
    last line it prints is JSON.

    Raises:
        ProbeError: it ended with an error, or took too long.
    """
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"no answer within {_PATIENCE} s") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise ProbeError(said[-1] if said else f"the process ended with status {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
