"""`fer doctor`: what `fer run --on ray` and `--on slurm` need on this machine."""

import configparser
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from fer_cli.doctor.finding import Finding, Level
from fer_cli.doctor.packages import installed_version
from fer_core.base.settings import Settings

__all__ = ["check_workers"]

_WHAT = "stages elsewhere"
_EXTRA = "`.venv/bin/uv pip install --require-hashes -r requirements-ray.lock` (docs/scaling.md)"
_SCHEMES = {"ssh": "dvc-ssh", "s3": "dvc-s3"}


def check_workers(settings: Settings, dvc: Path) -> Iterator[Finding]:
    """Whether Ray and Slurm are here, and whether the store can be reached by its kind.

    Args:
        settings: of the machine; what they name and is not here is FAIL.
        dvc: the folder `.dvc`.
    """
    ray, slurm = installed_version("ray"), shutil.which("sbatch") is not None
    known = (
        f"Ray {ray or 'is not installed'}; Slurm's commands are {'' if slurm else 'not '}here; "
        f"`fer run` runs stages on: {settings.on}"
    )
    if settings.on == "ray" and ray is None:
        yield Finding(Level.FAIL, _WHAT, known, _EXTRA)
    elif settings.on == "slurm" and not slurm:
        yield Finding(Level.FAIL, _WHAT, known, "run `fer` on a login node of the cluster")
    else:
        yield Finding(Level.OK, _WHAT, known)
    if settings.store:
        yield _check_store(settings.store, _remotes(dvc))


def _check_store(name: str, remotes: dict[str, str]) -> Finding:
    if name not in remotes:
        return Finding(
            Level.FAIL,
            _WHAT,
            f"DVC has no remote {name}, which the setting `store` names",
            f"`dvc remote add --local {name} URL`",
        )
    scheme = urlsplit(remotes[name]).scheme
    package = _SCHEMES.get(scheme)
    if package and installed_version(package) is None:
        text = f"the store {name} is at {scheme}://…, and {package} is not installed"
        return Finding(Level.FAIL, _WHAT, text, _EXTRA)
    return Finding(Level.OK, _WHAT, f"the store is the remote {name}")


def _remotes(dvc: Path) -> dict[str, str]:
    """Address of every DVC remote of this checkout, by name."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read([dvc / "config", dvc / "config.local"], encoding="utf-8")
    return {
        section.removeprefix("'remote \"").removesuffix("\"'"): parser[section].get("url", "")
        for section in parser.sections()
        if section.startswith("'remote ")
    }
