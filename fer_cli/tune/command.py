"""`fer tune`: a small, declared search for each method's settings on val rows, run by DVC's
experiment queue.

A tuning file (profiles/tuning/*.yaml) names for each method the grids to try. Every trial is one
DVC experiment that trains one student and evaluates it; what counts is its score on val rows. Plain
cross-entropy must get at least as many trials as any other method: a method that was tuned harder
than the baseline it beats has shown nothing.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from fer_cli.run import Address
from fer_core.base.errors import ArtifactError
from fer_core.base.files import write_text
from fer_core.base.logs import progress_off
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.base.settings import load_settings
from fer_core.pipeline.schema.methods import check_methods
from fer_core.pipeline.tuning.trials import (
    SCORES,
    Trial,
    applied,
    best_trials,
    flow,
    read_trials,
    with_settings,
)

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Tune each method's settings on val rows, every method with a declared number of trials.",
)

_File = Annotated[Path, typer.Argument(help="Tuning file, such as profiles/tuning/fer2013.yaml.")]
_EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(\S+) (\S+)")


@app.command()
def queue(
    file: _File,
    on: Annotated[
        str | None,
        typer.Option(
            help="Run the trials now, through `fer run --on` this (local, ray, slurm, processes), "
            "instead of leaving them to DVC's queue."
        ),
    ] = None,
    address: Address = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="With --on: trials at a time.")
    ] = 1,
) -> None:
    """Queue every trial that has no experiment yet; `dvc queue start` then runs them."""
    if on is not None:
        load_settings(**({"on": on} | ({"address": address} if address else {})))
    elif address is not None:
        raise typer.BadParameter("it needs --on", param_hint="--address")
    params = read_params()
    _, trials = read_trials(file, params)
    sections = {
        trial: with_settings(params["student"][trial.method], trial.settings) for trial in trials
    }
    for trial, section in sections.items():
        check_methods(
            {
                **params,
                "student": {**params["student"], "methods": [trial.method], trial.method: section},
            },
            file,
        )
    known = {*_experiments(), *_waiting()}
    new = [trial for trial in trials if trial.name not in known]
    if on is not None:
        from fer_core.pipeline.tuning.trial_runs import run_trials

        where = ["--on", on, *(["--address", address] if address else [])]
        if status := run_trials(new, where, jobs, typer.echo):
            raise typer.Exit(status)
        typer.echo(f"{len(new)} of {len(trials)} trials run; `fer tune show {file}` compares them")
        return
    for trial in new:
        changed = dict.fromkeys(name.partition(".")[0] for name, _ in trial.settings)
        overrides = [
            part
            for name in changed
            for part in ("-S", f"++student.{trial.method}.{name}={flow(sections[trial][name])}")
        ]
        _output(
            _dvc("exp", "run", "--queue", "--name", trial.name, *overrides, f"evaluate@{trial.key}")
        )
        typer.echo(f"queued {trial.name}: {trial.key} with {trial.words}")
    typer.echo(
        f"{len(new)} of {len(trials)} trials queued; run them with `dvc queue start`, look with "
        f"`fer tune show {file}`"
    )


@app.command()
def show(
    file: _File,
    out: Annotated[Path | None, typer.Option(help="Write the table as CSV here as well.")] = None,
) -> None:
    """Val scores of the finished trials, and the best of each method."""
    tuning, trials = read_trials(file, read_params())
    scores = _scores(trials)
    best = best_trials(scores, tuning.by)
    for trial in trials:
        values = (
            "  ".join(f"{name} {scores[trial][name]:.4f}" for name in SCORES)
            if trial in scores
            else "not finished"
        )
        typer.echo(
            f"{'*' if trial in best.values() else ' '} {trial.key:12} {trial.words:40} {values}"
        )
    if out is not None:
        lines = ["method,seed,settings," + ",".join(f"val_{name}" for name in SCORES) + ",best"]
        for trial, of_trial in scores.items():
            cells = ",".join(f"{of_trial[name]:.6g}" for name in SCORES)
            about = f'{trial.method},{trial.seed},"{trial.words}"'
            lines.append(f"{about},{cells},{int(trial in best.values())}")
        write_text(out, "\n".join(lines) + "\n")
        typer.echo(f"wrote {out}")


@app.command()
def apply(file: _File) -> None:
    """Write the best settings of every method, and how many were tried, into params.yaml; all
    trials must be finished.
    """
    tuning, trials = read_trials(file, read_params())
    scores = _scores(trials)
    if missing := [trial for trial in trials if trial not in scores]:
        raise ArtifactError(
            "Not all trials are finished.",
            where=file,
            found=[f"{trial.key} with {trial.words}" for trial in missing],
            remedy="`dvc queue status` says how far they are; `fer tune queue` queues those that "
            "failed again",
        )
    best = best_trials(scores, tuning.by)
    counts = {method: sum(trial.method == method for trial in trials) for method in best}
    write_text(PARAMS_FILE, applied(PARAMS_FILE.read_text(encoding="utf-8"), best, counts))
    for method, trial in best.items():
        typer.echo(f"student.{method}: {trial.words} (best of {counts[method]})")
    typer.echo("`fer dag sync` makes dvc.yaml follow: `compare` reads student.trials")


def _scores(trials: list[Trial]) -> dict[Trial, dict[str, float]]:
    """Val scores of the trials that have an experiment."""
    import dvc.api

    experiments = _experiments()
    finished = [trial for trial in trials if trial.name in experiments]
    scores: dict[Trial, dict[str, float]] = {}
    for trial in tqdm(finished, desc="read", leave=False, disable=progress_off()):
        record = json.loads(
            dvc.api.read(f"data/evaluation/{trial.key}/metrics.json", rev=experiments[trial.name])
        )
        measured = record["sets"]["val"]["metrics"]
        scores[trial] = {name: float(measured[name]["value"]) for name in SCORES}
    return scores


def _experiments() -> dict[str, str]:
    """Name and revision of every experiment of any commit; of one name the newest."""
    form = "--format=%(refname) %(objectname)"
    listed = _output(["git", "for-each-ref", "--sort=creatordate", form, "refs/exps"])
    return {
        match[1]: match[2] for match in map(_EXPERIMENT.fullmatch, listed.splitlines()) if match
    }


def _waiting() -> set[str]:
    """Names of the experiments that wait in DVC's queue or run; one that failed may be queued
    again.
    """
    rows = [line.split() for line in _output(_dvc("queue", "status")).splitlines()]
    return {row[1] for row in rows if row and row[-1] in ("Queued", "Running")}


def _dvc(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "dvc"), *arguments]


def _output(command: list[str]) -> str:
    """What a command prints.

    Raises:
        ArtifactError: it failed; says what it wrote.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ArtifactError("A command failed.", where=" ".join(command), found=done.stderr.strip())
    return done.stdout
