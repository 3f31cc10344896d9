"""The commands of the Makefile, for systems without make: `python make.py setup|repro|test|…`.

Needs nothing but Python 3.11 or newer; the Makefile calls it. What is done is not done again until
what it is made from changes.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / ".installed"
LOCKS = ("requirements.lock", "requirements-uv.lock", "pyproject.toml")
PAGE = ROOT / "web/dist/sources.sha256"
PLOTS = ROOT / ".dvc/tmp/plots.html"
TRAININGS = ("teacher_a", "teacher_b", "teacher_fold", "student", "adapt")


def setup() -> None:
    """Create .venv, install the hash-pinned requirements, build the pages."""
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python may be asked to run this
        sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12, or python3.12 make.py")
    if _is_older(STAMP, (ROOT / name for name in LOCKS)):
        _install()
    if _is_older(PAGE, [STAMP, *_page_sources()]):  # asks Node, which is one of the requirements
        _run("python", "-m", "fer_core.web.build")
        PAGE.touch()
    if _is_older(PLOTS, [STAMP, ROOT / "fer_core/pipeline/checkout/plots_page.py"]):
        _run("python", "-m", "fer_core.pipeline.checkout.plots_page")


def repro() -> None:
    """Run the whole pipeline; only what changed is made again."""
    setup()
    _run("fer", "run")


def test() -> None:
    """Run the tests."""
    setup()
    threads = {"OMP_NUM_THREADS": "1", "FER_THREADS": "1"}
    processes = str((os.cpu_count() or 1) * 3 // 2)  # many tests wait for processes that they start
    options = ("--numprocesses", processes, "--dist", "loadfile", "--no-loadscope-reorder")
    _run("python", "-m", "pytest", *options, **threads)


def lint() -> None:
    """Format check, lint, types, layers, spelling."""
    setup()
    _run("ruff", "format", "--check", ".")
    _run("ruff", "check", ".")
    _run("mypy")
    _run("lint-imports")
    _run("typos")
    _run("python", "-m", "fer_core.web.build", "--check")


def docs() -> None:
    """Build the documentation site in build/docs."""
    setup()
    _run("sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", "docs", "build/docs")


def wheel() -> None:
    """Build the wheel that gives `fer predict` and `fer live` without a checkout."""
    setup()
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "build/wheel")
    _run("python", "-m", "pip", "wheel", *options, ".")


def lock() -> None:
    """Resolve pyproject.toml into the three lock files; KEEP=1 keeps versions that fit."""
    setup()
    common = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    common += ["--no-header", "--no-annotate", "--python-version", "3.11"]
    common += ["--no-emit-package", "openvino-telemetry"]  # reports on use, and nothing needs it
    common += [] if os.environ.get("KEEP") else ["--upgrade"]
    for out, extras, base in (
        ("requirements.lock", ("train", "dev"), ()),
        ("requirements-ray.lock", ("train", "ray", "ssh", "s3"), ("requirements.lock",)),
    ):
        options = [word for extra in extras for word in ("--extra", extra)]
        options += [word for name in base for word in ("--constraint", name)]
        _run(*common, *options, "--output-file", out, "pyproject.toml")
    _run(*common, "--output-file", "requirements-uv.lock", "-", given="uv\n")


def clean_runs() -> None:
    """Delete the scratch folders of interrupted runs."""
    code = "from fer_core.base.settings import load_settings; print(load_settings().runs)"
    command = [sys.executable if not BIN.is_dir() else str(_program("python")), "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in TRAININGS:
        shutil.rmtree(Path(done.stdout.strip()) / name, ignore_errors=True)


COMMANDS: tuple[Callable[[], None], ...] = (
    setup,
    repro,
    test,
    lint,
    docs,
    wheel,
    lock,
    clean_runs,
)


def main(arguments: list[str]) -> None:
    """Carry out commands in turn; without one, list them."""
    named = {command.__name__.replace("_", "-"): command for command in COMMANDS}
    if unknown := [name for name in arguments if name not in named and name != "help"]:
        sys.exit(f"unknown command {unknown[0]}; one of {', '.join(named)}")
    if not arguments or "help" in arguments:
        for name, command in named.items():
            sys.stdout.write(f"  {name:12} {command.__doc__}\n")
        return
    for name in arguments:
        named[name]()


def _install() -> None:
    try:
        create_venv(VENV)
    except subprocess.CalledProcessError:
        sys.exit("The venv module is incomplete. On Debian or Ubuntu: apt-get install python3-venv")
    pip = ("-m", "pip", "install", "--quiet", "--require-hashes")
    _run("python", *pip, "--requirement", "requirements-uv.lock")
    uv = ("--quiet", "--python", str(_program("python")))
    sync = ("--require-hashes", "--compile-bytecode", "requirements.lock")
    _run("uv", "pip", "sync", *uv, *sync)
    _run("uv", "pip", "install", *uv, "--no-deps", "--no-build-isolation", "--editable", ".")
    STAMP.touch()


def create_venv(folder: Path, with_pip: bool = True) -> None:
    """Make a virtual environment, or make one anew where there is one, as `python -m venv` does."""
    venv.create(folder, symlinks=os.name != "nt", with_pip=with_pip)


def _page_sources() -> Iterator[Path]:
    for folder, inner, files in os.walk(ROOT / "web"):
        inner[:] = [name for name in inner if name not in ("node_modules", "dist")]
        yield from (Path(folder, name) for name in files)


def _is_older(made: Path, sources: Iterator[Path] | list[Path]) -> bool:
    """Whether a file is missing, or older than what it is made from."""
    if not made.exists():
        return True
    return any(source.stat().st_mtime > made.stat().st_mtime for source in sources)


def _program(name: str) -> Path:
    return BIN / (f"{name}.exe" if os.name == "nt" else name)


def _run(program: str, *arguments: str, given: str | None = None, **environment: str) -> None:
    """Run a program of the environment; this process ends with its status where it fails."""
    command = [str(_program(program)), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, input=given, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.returncode if done.returncode > 0 else 128 - done.returncode)


if __name__ == "__main__":
    main(sys.argv[1:])
