"""`fer tune`: a small, declared search for each method's settings on val rows, run by DVC's experiment queue.

A tuning file (profiles/tuning/*.yaml) names for each method the grids to try. Every trial is one DVC experiment of this commit that
trains one student and evaluates it; what counts is its score on val rows. Plain cross-entropy must get at least as many trials as any
other method: a method that was tuned harder than the baseline it beats has shown nothing.
"""

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import Field
from ruamel.yaml import YAML
from tqdm import tqdm

from fer_cli.schema import check_methods
from fer_core.errors import ArtifactError, ParamsError
from fer_core.files import write_text
from fer_core.logs import progress_off
from fer_core.params import PARAMS_FILE, Section, parse_section, read_params

__all__ = ["Trial", "app", "best_trials", "read_trials"]

app = typer.Typer(no_args_is_help=True, help="Tune each method's settings on val rows, every method with a declared number of trials.")

Score = Literal["macro_f1", "accuracy", "nll"]
_SCORES: tuple[Score, ...] = ("macro_f1", "accuracy", "nll")
_File = Annotated[Path, typer.Argument(help="Tuning file, such as profiles/tuning/fer2013.yaml.")]


class Tuning(Section):
    """A tuning file.

    Attributes:
        seed: of every trial; one of `student.seeds`.
        by: val score that decides: the highest macro_f1 or accuracy, or the lowest nll.
        trials: method -> grids; a grid maps names of the section `student.<method>` to the values to combine.
    """

    seed: int
    by: Score
    trials: Annotated[dict[str, list[dict[str, Annotated[list[Any], Field(min_length=1)]]]], Field(min_length=1)]


@dataclass(frozen=True)
class Trial:
    """One student to be trained: method, seed and what differs from params.yaml."""

    method: str
    seed: int
    settings: tuple[tuple[str, Any], ...]

    @property
    def key(self) -> str:
        """The student's key in the pipeline."""
        return f"{self.method}-{self.seed}"

    @property
    def name(self) -> str:
        """Name of the experiment: the same settings have the same name."""
        text = json.dumps([self.method, self.seed, sorted(self.settings)])
        return f"tune-{self.method}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def words(self) -> str:
        """Settings for a person."""
        return ", ".join(f"{name} {value}" for name, value in self.settings)


@app.command()
def queue(file: _File) -> None:
    """Queue every trial that this commit has no experiment of; `dvc queue start` then runs them."""
    params = read_params()
    _, trials = read_trials(file, params)
    for trial in trials:
        section = {**params["student"][trial.method], **dict(trial.settings)}
        check_methods({**params, "student": {**params["student"], "methods": [trial.method], trial.method: section}}, file)
    known = {*_experiments(), *_waiting()}
    new = [trial for trial in trials if trial.name not in known]
    for trial in new:
        overrides = [part for name, value in trial.settings for part in ("-S", f"++student.{trial.method}.{name}={value}")]
        _output(_dvc("exp", "run", "--queue", "--name", trial.name, *overrides, f"evaluate@{trial.key}"))
        typer.echo(f"queued {trial.name}: {trial.key} with {trial.words}")
    typer.echo(f"{len(new)} of {len(trials)} trials queued; run them with `dvc queue start`, look with `fer tune show {file}`")


@app.command()
def show(file: _File, out: Annotated[Path | None, typer.Option(help="Write the table as CSV here as well.")] = None) -> None:
    """Val scores of the finished trials, and the best of each method."""
    tuning, trials = read_trials(file, read_params())
    scores = _scores(trials)
    best = best_trials(scores, tuning.by)
    for trial in trials:
        values = "  ".join(f"{name} {scores[trial][name]:.4f}" for name in _SCORES) if trial in scores else "not finished"
        typer.echo(f"{'*' if trial in best.values() else ' '} {trial.key:12} {trial.words:40} {values}")
    if out is not None:
        lines = ["method,seed,settings," + ",".join(f"val_{name}" for name in _SCORES) + ",best"]
        for trial, of_trial in scores.items():
            cells = [f"{of_trial[name]:.6g}" for name in _SCORES]
            lines.append(f'{trial.method},{trial.seed},"{trial.words}",{",".join(cells)},{int(trial in best.values())}')
        write_text(out, "\n".join(lines) + "\n")
        typer.echo(f"wrote {out}")


@app.command()
def apply(file: _File) -> None:
    """Write the best settings of every method into params.yaml; all trials must be finished."""
    tuning, trials = read_trials(file, read_params())
    scores = _scores(trials)
    if missing := [trial for trial in trials if trial not in scores]:
        raise ArtifactError(
            "Not all trials are finished.",
            where=file,
            found=[f"{trial.key} with {trial.words}" for trial in missing],
            remedy="`dvc queue status` tells how they stand; `fer tune queue` queues those that failed again",
        )
    best = best_trials(scores, tuning.by)
    write_text(PARAMS_FILE, applied(PARAMS_FILE.read_text(encoding="utf-8"), best))
    for method, trial in best.items():
        typer.echo(f"student.{method}: {trial.words}")


def read_trials(file: Path, params: Mapping[str, Any]) -> tuple[Tuning, list[Trial]]:
    """The trials of a tuning file.

    Raises:
        ParamsError: not readable, an unknown method or seed, a trial given twice, or fewer trials of ce than of another method.
    """
    try:
        values = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError("There is no such tuning file.", where=file) from error
    tuning = parse_section("tuning", values, Tuning, file)
    student = params["student"]
    if tuning.seed not in student["seeds"]:
        raise ParamsError("The seed of the trials is none of the students'.", where=f"{file}: seed", expected=student["seeds"])
    trials = []
    for method, grids in tuning.trials.items():
        if method not in student["methods"]:
            raise ParamsError("The pipeline has no student of this method.", where=f"{file}: trials.{method}", expected=student["methods"])
        for grid in grids:
            trials += [Trial(method, tuning.seed, tuple(zip(grid, values, strict=True))) for values in product(*grid.values())]
    counts = {method: sum(trial.method == method for trial in trials) for method in tuning.trials}
    if len({trial.name for trial in trials}) != len(trials):
        raise ParamsError("A trial is given twice.", where=file)
    if counts.get("ce", 0) < max(counts.values()):
        raise ParamsError(
            "Plain cross-entropy must get at least as many trials as any other method.", where=f"{file}: trials", found=counts
        )
    return tuning, trials


def best_trials(scores: Mapping[Trial, Mapping[str, float]], by: Score) -> dict[str, Trial]:
    """The best trial of each method; of equals the first."""
    sign = -1 if by == "nll" else 1
    best: dict[str, Trial] = {}
    for trial, values in scores.items():
        if trial.method not in best or sign * values[by] > sign * scores[best[trial.method]][by]:
            best[trial.method] = trial
    return best


def applied(text: str, best: Mapping[str, Trial]) -> str:
    """The text of params.yaml with the settings of these trials; all else is kept."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    for method, trial in best.items():
        document["student"][method].update(dict(trial.settings))
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _scores(trials: list[Trial]) -> dict[Trial, dict[str, float]]:
    """Val scores of the trials that have an experiment of this commit."""
    import dvc.api

    experiments = _experiments()
    finished = [trial for trial in trials if trial.name in experiments]
    scores: dict[Trial, dict[str, float]] = {}
    for trial in tqdm(finished, desc="read", leave=False, disable=progress_off()):
        record = json.loads(dvc.api.read(f"data/evaluation/{trial.key}/metrics.json", rev=experiments[trial.name]))
        measured = record["sets"]["val"]["metrics"]
        scores[trial] = {name: float(measured[name]["value"]) for name in _SCORES}
    return scores


def _experiments() -> dict[str, str]:
    """Name and revision of every experiment of this commit."""
    head = _output(["git", "rev-parse", "HEAD"]).strip()
    listed = _output(["git", "for-each-ref", "--format=%(refname) %(objectname)", f"refs/exps/{head[:2]}/{head[2:]}"])
    return {name.rpartition("/")[2]: revision for name, revision in (line.split() for line in listed.splitlines())}


def _waiting() -> set[str]:
    """Names of the experiments that wait in DVC's queue or run; one that failed may be queued again."""
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
