"""How every stage starts and ends: logging on, our own errors as text with exit status 1, all other
errors as a traceback.

A stage that can use several devices starts itself once for each, under torchrun, when the machine's
settings ask for it (`FER_PROCESSES`); `fer_core/models/devices/distributed.py` holds what the
processes share.
"""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from fer_core.base.absent import declare_absent
from fer_core.base.errors import FerError
from fer_core.base.logs import setup_logging
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.base.processes import place
from fer_core.base.settings import load_settings

__all__ = ["SPREAD", "run_stage"]

SPREAD = frozenset(f"stages.{name}" for name in ("teacher", "student", "logits", "predict"))
"""Modules whose stages share their work out among processes."""

_NODES = (
    "PET_NNODES"  # torchrun's own variable; with it the others of its kind say where the nodes meet
)


def run_stage(main: Callable[..., Any]) -> None:
    """Run a stage's typer function as the program."""
    setup_logging()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        if (module := _module()) in SPREAD and place().size == 1:
            processes = load_settings().processes
            if processes > 1 or _NODES in os.environ:
                sys.exit(_run_processes(module, processes, sys.argv[1:]))
        if PARAMS_FILE.is_file():
            declare_absent(read_params())
        app()
    except FerError as error:
        logging.getLogger(main.__module__).error("%s", error)
        sys.exit(1)


def _module() -> str:
    """Name of the module that runs as the program."""
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec is not None else ""


def _run_processes(module: str, processes: int, arguments: Sequence[str]) -> int:
    """Run the stage in several processes, as `python -m torch.distributed.run --standalone
    --nproc-per-node N -m MODULE` does.

    torchrun passes SIGINT and SIGTERM on to the processes and waits for them.

    Returns:
        0, the status of the first process that failed, or 128 + n after signal n.
    """
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    nodes = [] if _NODES in os.environ else ["--standalone"]
    os.environ.setdefault(
        "OMP_NUM_THREADS", str(max(1, load_settings().machine_threads() // processes))
    )
    try:
        run.run(
            run.parse_args([*nodes, "--nproc-per-node", str(processes), "-m", module, *arguments])
        )
    except SignalException as signal:
        return 128 + int(signal.sigval)
    except ChildFailedError as failure:
        status = min(failure.failures.values(), key=lambda process: process.timestamp).exitcode
        return 128 - status if status < 0 else status
    return 0
