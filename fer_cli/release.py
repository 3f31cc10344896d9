"""`fer release`: the deployed student as a folder in `models/`, for git."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_core.base import paths
from fer_core.base.errors import DataError, MachineError
from fer_core.base.files import read_json, sha256_file
from fer_core.base.git import git
from fer_core.base.params import Params

if TYPE_CHECKING:
    from fer_core.export.release.release import ReleaseFacts

__all__ = ["release"]

_MODELS = Path("models")
_COMMITTED = ("fer_core", "stages", "params.yaml", "dvc.yaml", "dvc.lock")
_MACHINE = ("python", "system", "cores", "seconds")


def release(
    name: Annotated[
        str | None,
        typer.Argument(help="Name of the release, such as fer2013; its folder is models/NAME."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the releases that are there.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the release of this name, of whatever run.")
    ] = False,
) -> None:
    """Copy the student that this run deployed to models/NAME: ONNX files, weights, card, results,
    provenance and fixed answers.

    The run must be up to date and committed, so that anyone can make the same files again.
    """
    from fer_core.export.release.release import check_release, write_release

    if check:
        folders = [path.parent for path in sorted(_MODELS.glob("*/provenance.json"))]
        for folder in [_MODELS / name] if name else folders:
            check_release(folder)
            typer.echo(f"{folder} is as it was made")
        return
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise DataError(
            "A release needs a name of letters and digits.", found=name, remedy="`fer release NAME`"
        )
    params = Params.load()
    folder = _MODELS / name
    if folder.exists() and not replace:
        raise DataError(
            "There is a release of this name.",
            where=folder,
            remedy="choose another name, or `fer release NAME --replace` to replace it",
        )
    student = params.section("deploy.student", str)
    commit = _committed()
    _up_to_date()
    write_release(
        folder,
        paths.ONNX,
        paths.STUDENTS / student / "model",
        paths.CALIBRATION / student,
        _facts(student, commit, params.values),
    )
    check_release(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    typer.echo(f"wrote {folder}: {student}, {size / 1e6:.1f} MB; commit it with git")


def _facts(student: str, commit: str, params: Mapping[str, Any]) -> "ReleaseFacts":
    from fer_core.export.release.release import ReleaseFacts

    log = paths.STUDENTS / student / "log" / "environment.json"
    surroundings = read_json(log) if log.is_file() else {}
    machine = {key: surroundings[key] for key in _MACHINE if key in surroundings}
    return ReleaseFacts(student, commit, params, sha256_file(Path("dvc.lock")), machine)


def _committed() -> str:
    """The commit that holds this run.

    Raises:
        DataError: no git, or code, parameters or dvc.lock differ from the last commit.
    """

    try:
        changed = git(Path(), "status", "--porcelain", "--", *_COMMITTED)
        commit = git(Path(), "rev-parse", "HEAD")
    except MachineError as error:
        raise DataError("A release is of a commit.", found=error.found) from error
    if changed:
        raise DataError(
            "A release is of a committed run.",
            found=changed.replace("\n", "; "),
            remedy="`git commit` these files first",
        )
    return commit


def _up_to_date() -> None:
    """Raises:
    DataError: the exported student is not what the pipeline would make now, or was changed.
    """
    from fer_core.pipeline.checkout.workspace import open_workspace
    from fer_core.pipeline.running.plan import make_plan

    with open_workspace(wait=False) as workspace:
        plan = make_plan(workspace, ["onnx"])
    if plan.needs:
        raise DataError(
            "The exported student is not up to date.",
            found=", ".join(sorted(plan.needs)),
            expected="no stage to run",
            remedy="`fer run`, then commit",
        )
