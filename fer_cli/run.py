"""`fer run`: the pipeline, with stages that do not wait for each other side by side."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from fer_cli.dag import DVC_FILE, synced
from fer_cli.schema import check_params
from fer_core.errors import ParamsError
from fer_core.params import PARAMS_FILE, read_params
from fer_core.settings import load_settings

__all__ = ["run"]

_LOCK = Path("dvc.lock")


def run(
    context: typer.Context,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Stages at a time; the machine's settings if left out.")] = None,
) -> None:
    """Run the pipeline: what `dvc repro` would run, several stages at a time, safe to interrupt.

    Arguments are stages to bring up to date, all if left out. With an option of `dvc repro` (such as --force) that command itself
    runs, one stage after the other.
    """
    from fer_cli.plan import Plan, make_plan, uses_torch
    from fer_cli.scheduler import machine_for, run_plan

    params = read_params()
    if not _LOCK.exists() or _LOCK.stat().st_mtime < PARAMS_FILE.stat().st_mtime:
        check_params(params, PARAMS_FILE)  # loads what each section belongs to, so only after an edit; stages check their own anyway
    text = DVC_FILE.read_text(encoding="utf-8")
    if synced(text, params) != text:
        raise ParamsError("dvc.yaml does not fit params.yaml or the code.", where=DVC_FILE, remedy="run `fer dag sync`")
    dvc = [str(Path(sys.executable).parent / "dvc"), "--wait-for-lock", "repro"]
    machine = machine_for(load_settings(), jobs)
    if any(argument.startswith("-") for argument in context.args):
        *options, last = context.args
        raise typer.Exit(run_plan(Plan({last: set()}, {last: 0}, {last: 0}), replace(machine, jobs=1), lambda _: False, [*dvc, *options]))
    plan = make_plan(context.args)
    if not plan.needs:
        typer.echo("Data and pipelines are up to date.")
        return
    status = run_plan(plan, machine, cache(uses_torch), [*dvc, "--single-item"])
    if status:
        raise typer.Exit(status)
    typer.echo("Data and pipelines are up to date.")
