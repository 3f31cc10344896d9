"""`fer run`: the pipeline, with stages that do not wait for each other side by side."""

import os
import sys
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_core.base.params import read_params
from fer_core.base.processes import own_path
from fer_core.base.settings import load_settings
from fer_core.base.signals import run_in_group
from fer_core.pipeline.checkout.traps import check_traps
from fer_core.pipeline.running.ready import check_ready

if TYPE_CHECKING:
    from fer_core.pipeline.running.estimate import Estimate

__all__ = ["Address", "run"]

Address = Annotated[
    str | None,
    typer.Option("--address", "--partition", help="Address of Ray's head, or partition of Slurm."),
]

_FAILED = 255
"""Status that `dvc repro` ends with, whatever the status of the stage that failed."""


def run(
    stages: Annotated[
        list[str] | None,
        typer.Argument(
            help="Stages to bring up to date (student@kd-1337; student for all of them); all if "
            "left out."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Stages at a time; the machine's settings if left out."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", "-f", help="Run the stages though nothing changed."),
    ] = False,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate", help="Say what it will take, to about a factor of two, and run nothing."
        ),
    ] = False,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke",
            help="Run every stage for a few steps in a throw-away copy, to find what would stop a "
            "long run late.",
        ),
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(
            help="Where stages run: local, ray, slurm, or processes (workers on this machine); "
            "fer.local.toml says it if left out."
        ),
    ] = None,
    address: Address = None,
    wait: Annotated[
        bool,
        typer.Option(help="Wait while another `fer run` is at work in this checkout."),
    ] = True,
) -> None:
    """Run the pipeline: what `dvc repro` would run, several stages at a time, safe to interrupt.

    With another option of `dvc repro` (such as --dry) that command itself runs, one stage after
    the other.
    """
    told = {"on": on, "address": address}
    settings = load_settings(**{name: value for name, value in told.items() if value is not None})
    params = read_params()
    check_ready(params)
    check_traps()
    if smoke:
        from fer_core.pipeline.running.smoke import run_smoke

        if status := run_smoke(Path()):
            raise typer.Exit(status)
        typer.echo("Every stage ran for a few steps. Its numbers mean nothing.")
        return
    arguments = stages or []
    if any(argument.startswith("-") for argument in arguments):
        raise typer.Exit(_dvc_repro(["--force"] * force + arguments))

    from fer_core.pipeline.checkout.workspace import open_workspace
    from fer_core.pipeline.running.estimate import estimate as make_estimate
    from fer_core.pipeline.running.estimate import note_times
    from fer_core.pipeline.running.machine import machine_for
    from fer_core.pipeline.running.plan import make_plan, uses_torch
    from fer_core.pipeline.running.scheduler import run_plan
    from fer_core.workers.executor import open_workers

    with open_workspace(wait) as workspace:
        plan = make_plan(workspace, arguments, force)
        machine = machine_for(settings, jobs)
        if estimate:
            typer.echo(_told(make_estimate(plan, params, machine, uses_torch)))
            return
        remember = partial(note_times, params)
        executor = open_workers(workspace, settings) if settings.on != "local" else None
        status = run_plan(plan, machine, cache(uses_torch), workspace, remember, executor)
    if status:
        raise typer.Exit(status)
    typer.echo("Data and pipelines are up to date.")


def _told(found: "Estimate") -> str:
    """An estimate in words."""
    from fer_core.base.machine import available_memory

    if not found.longest:
        return "nothing to run"
    minutes = found.seconds / 60
    took = f"{found.seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min"
    took = took if minutes < 120 else f"{minutes / 60:.1f} h"
    first = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in found.longest[:5])
    guessed = f"; {len(found.guessed)} that never ran here are guessed" if found.guessed else ""
    free = available_memory()
    short = f" (only {free / 1e9:.1f} GB are free)" if found.memory > free else ""
    return (
        f"at most {len(found.longest)} stages, about {took}, {found.memory / 1e9:.1f} GB of "
        f"memory{short}, {found.disk / 1e9:.2f} GB of disk\nlongest: {first}{guessed}"
    )


def _dvc_repro(arguments: list[str]) -> int:
    """The status of `dvc repro` with these arguments."""
    dvc = str(Path(sys.executable).parent / "dvc")
    command = [dvc, "--wait-for-lock", "repro", *arguments]
    status = run_in_group(command, os.environ | {"PATH": own_path()})
    return 1 if status == _FAILED else 128 - status if status < 0 else status
