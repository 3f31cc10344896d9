"""`fer run`: the pipeline, with stages that do not wait for each other side by side."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from fer_core.base.errors import ParamsError
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.base.settings import load_settings
from fer_core.pipeline.dag import DVC_FILE, read_pipeline, synced
from fer_core.pipeline.schema import check_once, check_sources

__all__ = ["run"]

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
) -> None:
    """Run the pipeline: what `dvc repro` would run, several stages at a time, safe to interrupt.

    With an option of `dvc repro` (such as --force) that command itself runs, one stage after the
    other.
    """
    from fer_core.pipeline.plan import Plan, make_plan, uses_torch
    from fer_core.pipeline.scheduler import machine_for, run_plan

    params = read_params()
    check_once(params)
    check_sources(params, PARAMS_FILE)
    text = read_pipeline()
    if synced(text, params) != text:
        raise ParamsError(
            "dvc.yaml does not fit params.yaml or the code.",
            where=DVC_FILE,
            remedy="run `fer dag sync`",
        )
    dvc = [str(Path(sys.executable).parent / "dvc"), "--wait-for-lock", "repro"]
    machine = machine_for(load_settings(), jobs)
    arguments = stages or []
    if any(argument.startswith("-") for argument in arguments):
        *options, last = arguments
        status = run_plan(
            Plan({last: set()}, {last: 0}, {last: 0}),
            replace(machine, jobs=1),
            lambda _: False,
            [*dvc, *options],
        )
        raise typer.Exit(1 if status == _FAILED else status)
    plan = make_plan(arguments)
    if not plan.needs:
        typer.echo("Data and pipelines are up to date.")
        return
    status = run_plan(plan, machine, cache(uses_torch), [*dvc, "--single-item"])
    if status:
        raise typer.Exit(1 if status == _FAILED else status)
    typer.echo("Data and pipelines are up to date.")
