"""`fer doctor`: Python and the installed packages against what the lock and pyproject.toml name."""

import importlib.metadata
import platform
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from fer_cli.doctor.finding import Finding, Level, ProbeError

__all__ = ["INSTALL", "check_packages", "check_python", "installed_version"]

INSTALL = "`make setup` installs what the lock names"
_SHOWN = 8


def check_python(pyproject: Path, version: str = platform.python_version()) -> Iterator[Finding]:
    """Whether this Python is one that the project is made for."""
    wanted = str(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["requires-python"])
    where = f"Python {version} in {sys.prefix}"
    if version not in SpecifierSet(wanted, prereleases=True):
        yield Finding(
            Level.FAIL,
            "Python",
            f"{where}; {wanted} is needed",
            "`make setup PYTHON=python3.12`, after removing .venv",
        )
    elif sys.prefix == sys.base_prefix:
        yield Finding(
            Level.WARN,
            "Python",
            f"{where} is no virtual environment",
            "`make setup` makes one; use its .venv/bin/fer",
        )
    else:
        yield Finding(Level.OK, "Python", where)


def installed_version(name: str) -> str | None:
    """Version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_packages(
    lock: Path, pyproject: Path, installed: Callable[[str], str | None] = installed_version
) -> Iterator[Finding]:
    """Installed versions against the pins of the lock, as far as they are meant for this machine.

    A dependency of the project's own that is missing or out of its bounds fails; every other
    difference is only told.

    Args:
        lock: `requirements.lock`.
        pyproject: with the project's own bounds.
        installed: gives the version of a package, or None.
    """
    pins = list(_requirements(lock.read_text(encoding="utf-8").splitlines()))
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extra = project.get("optional-dependencies", {}).get("train", [])
    needed = list(_requirements([*project["dependencies"], *extra]))
    unfit = {
        canonicalize_name(wanted.name): f"{_found(wanted, installed)}, needed "
        f"{wanted.specifier or 'any'}"
        for wanted in needed
        if not _fits(wanted, installed)
    }
    if unfit:
        yield Finding(Level.FAIL, "packages", _listed(list(unfit.values())), INSTALL)
    other = [
        f"{_found(pin, installed)}, pinned {str(pin.specifier).removeprefix('==')}"
        for pin in pins
        if not _fits(pin, installed) and canonicalize_name(pin.name) not in unfit
    ]
    if other:
        yield Finding(
            Level.WARN,
            "packages",
            _listed(other),
            f"{INSTALL}; results may differ with other versions",
        )
    if not unfit and not other:
        yield Finding(Level.OK, "packages", f"{len(pins)} packages as {lock.name} pins them")


def _fits(wanted: Requirement, installed: Callable[[str], str | None]) -> bool:
    version = installed(wanted.name)
    return version is not None and wanted.specifier.contains(version, prereleases=True)


def _found(wanted: Requirement, installed: Callable[[str], str | None]) -> str:
    return f"{wanted.name} {installed(wanted.name) or 'is missing'}"


def _requirements(lines: list[str]) -> Iterator[Requirement]:
    """Requirements of this machine in lines of a lock file or of pyproject.toml; hashes and
    comments are passed over.

    Raises:
        ProbeError: a line is neither.
    """
    for line in lines:
        text = line.split("#")[0].rstrip(" \\")
        if text.strip() and not text.lstrip().startswith("--"):
            try:
                found = Requirement(text)
            except InvalidRequirement as error:
                raise ProbeError(f"a line is no requirement: {text!r}") from error
            if not found.marker or found.marker.evaluate():
                yield found


def _listed(items: list[str]) -> str:
    more = f"; and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return "; ".join(items[:_SHOWN]) + more
