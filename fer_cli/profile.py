"""`fer profile`: complete alternatives to params.yaml, with dvc.yaml brought in step."""

from pathlib import Path
from typing import Annotated

import typer

from fer_core.base.errors import ParamsError
from fer_core.base.files import write_text
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.pipeline.dag.dag import synced
from fer_core.pipeline.dag.reading import DVC_FILE, read_pipeline
from fer_core.pipeline.schema.check import check_params, check_sources
from fer_core.pipeline.schema.comments import commented, with_absent
from fer_core.pipeline.schema.methods import check_methods
from fer_core.pipeline.schema.networks import check_networks

__all__ = ["app", "use_profile"]

app = typer.Typer(no_args_is_help=True, help="Switch between complete parameter files.")

PROFILES = Path("profiles")


def _profiles() -> dict[str, Path]:
    """Files of the profiles by name.

    Raises:
        ParamsError: there are none here.
    """
    found = {path.stem: path for path in sorted(PROFILES.glob("*.yaml"))}
    if not found:
        raise ParamsError(
            "There are no profiles here.",
            where=PROFILES.absolute(),
            remedy="run from the project's root",
        )
    return found


def _present() -> str:
    """The text of params.yaml; "" where there is none."""
    return PARAMS_FILE.read_text(encoding="utf-8") if PARAMS_FILE.exists() else ""


@app.command("list")
def show() -> None:
    """Name the profiles; the one in use is marked."""
    present = _present()
    for name, path in _profiles().items():
        typer.echo(f"{'*' if path.read_text(encoding='utf-8') == present else ' '} {name}")


@app.command()
def use(
    name: str,
    force: Annotated[
        bool, typer.Option(help="Overwrite a params.yaml that no profile holds.")
    ] = False,
) -> None:
    """Make profiles/NAME.yaml the params.yaml and rewrite dvc.yaml to match."""
    use_profile(name, force)
    typer.echo(f"params.yaml and dvc.yaml now are those of profile {name}")
    if name != "sample":
        typer.echo(
            "keep its dvc.lock, metrics and plots on a branch of their own: git switch -c "
            f"profile/{name}"
        )


@app.command()
def comment(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Parameter files; params.yaml and all profiles if left out."),
    ] = None,
) -> None:
    """Write above every key what it does and which values it takes; values stay as they are."""
    for file in files or [PARAMS_FILE, *_profiles().values()]:
        check_params(read_params(file), file)
        before = file.read_text(encoding="utf-8")
        after = commented(before)
        if after != before:
            write_text(file, after)
            typer.echo(f"comments of {file} rewritten")


def use_profile(name: str, force: bool = False) -> None:
    """Replace params.yaml and bring dvc.yaml in step; classes declared absent stay so.

    Raises:
        ParamsError: no such profile, the profile is not valid, or params.yaml was edited and would
            be lost.
    """
    profiles = _profiles()
    if name not in profiles:
        remedy = "name one of them; a new one is a file of that name in profiles/"
        raise ParamsError(
            "There is no such profile.",
            where=PROFILES,
            found=name,
            expected=", ".join(profiles),
            remedy=remedy,
        )
    present = _present()
    absent = _absent(present)
    if (
        present
        and not force
        and with_absent(present, ())
        not in [with_absent(path.read_text(encoding="utf-8"), ()) for path in profiles.values()]
    ):
        raise ParamsError(
            "params.yaml has been edited and no profile holds its text.",
            where=PARAMS_FILE,
            remedy="keep it as profiles/<name>.yaml first, or pass --force to lose it",
        )
    params = read_params(profiles[name])
    text = profiles[name].read_text(encoding="utf-8")
    if absent:
        params["labels"] = {"absent": absent}
        text = with_absent(text, absent)
    check_params(params, profiles[name])
    check_sources(params, profiles[name])
    dag = synced(read_pipeline(), params)
    check_methods(params, profiles[name])
    check_networks(params, profiles[name])
    write_text(PARAMS_FILE, text)
    write_text(DVC_FILE, dag)


def _absent(text: str) -> list[str]:
    """Classes that a parameter file declares absent: a fact of the data, which a profile keeps."""
    return list((read_params().get("labels") or {}).get("absent", [])) if text else []
