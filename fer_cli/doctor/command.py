"""`fer doctor`: everything that a run needs and that can be missing or wrong on a machine, looked
at before the run.

One line for each finding, ok, warn or FAIL, with what to do about it. Nothing is changed but with
--repair.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_core.base.errors import FerError
from fer_core.base.machine import memory_limit
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.base.settings import load_settings

if TYPE_CHECKING:
    from fer_cli.doctor.finding import Finding
    from fer_core.sources.catalogue.descriptor import Descriptor

__all__ = ["doctor", "examine"]

_LOCK, _PYPROJECT, _DVC, _DVC_FILE = (
    Path("requirements.lock"),
    Path("pyproject.toml"),
    Path(".dvc"),
    Path("dvc.yaml"),
)
_DESCRIPTORS = Path("data/sources")


def doctor(
    repair: Annotated[
        bool,
        typer.Option(
            help="First put DVC's records in order: a damaged dvc.lock, reservations of commands "
            "that are gone."
        ),
    ] = False,
) -> None:
    """Check this machine and project: packages, devices, disks, settings, raw data, params.yaml and
    dvc.yaml.

    Ends with status 1 when anything is FAIL.
    """
    from fer_cli.doctor.finding import Level

    if repair:
        _repair()

    found: Counter[Level] = Counter()
    for finding in examine():
        typer.echo(str(finding))
        found[finding.level] += 1
    typer.echo(", ".join(f"{found[level]} {level}" for level in Level))
    if found[Level.FAIL]:
        raise typer.Exit(1)


def _repair() -> None:
    from fer_core.pipeline.checkout.lockfile import mend_lock
    from fer_core.pipeline.checkout.reservations import mend_rwlock, only_run
    from fer_core.pipeline.checkout.workspace import open_workspace

    tmp = _DVC / "tmp"
    tmp.mkdir(parents=True, exist_ok=True)
    with only_run(tmp.absolute(), "fer doctor --repair", wait=True):
        done = [text for text in (mend_lock(Path()), mend_rwlock(tmp)) if text]
    with suppress(FerError), open_workspace():
        pass  # opening removes what a killed DVC has left
    typer.echo("\n".join(done) or "DVC's records are in order.")


def examine() -> Iterator["Finding"]:
    """All findings about the project in the working folder, as they are made."""
    from fer_cli.doctor import answering, elsewhere, machine, packages, project, software
    from fer_cli.doctor.finding import Finding, Level, guarded, of_error

    answers = (
        ("ONNX Runtime", software.check_onnxruntime),
        ("OpenCV", software.check_opencv),
        ("detector", answering.check_detector),
        ("network", answering.check_model),
    )
    if not _DVC_FILE.is_file() and find_spec("dvc") is None:
        yield Finding(Level.OK, "project", "none here: only what answers is checked")
        for what, check in answers:
            yield from guarded(what, check)
        return
    yield from guarded("Python", partial(packages.check_python, _PYPROJECT))
    yield from guarded("packages", partial(packages.check_packages, _LOCK, _PYPROJECT))
    for what, check in (
        *answers,
        ("YAML", software.check_yaml),
        ("DVC", software.check_dvc),
        ("git", software.check_git),
        ("checkout", project.check_machine_traps),
        ("DVC's records", partial(project.check_records, _DVC)),
        ("memory", lambda: machine.check_memory(memory_limit())),
        ("settings", project.check_settings),
    ):
        yield from guarded(what, check)
    params: dict[str, Any] = {}
    try:
        params = read_params()
    except FerError as error:
        yield of_error("params.yaml", error)
    else:
        of_params = list(
            guarded("params.yaml", partial(project.check_params_file, params, PARAMS_FILE))
        )
        yield from of_params
        if all(finding.level == Level.OK for finding in of_params):
            yield from guarded("dvc.yaml", partial(project.check_dag, params, _DVC_FILE))
        else:
            yield Finding(Level.WARN, "dvc.yaml", "not checked, because params.yaml is not valid")
    listed: list[str] = []
    descriptors: list[Descriptor] = []
    try:
        from fer_core.sources.adding.changes import listed_sources

        listed = listed_sources(params)
        descriptors, faulty = project.readable_descriptors(_DESCRIPTORS)
        yield from faulty
    except ImportError as error:
        yield Finding(
            Level.FAIL,
            "data sets",
            f"their readers cannot be imported: {error}",
            "repair what is shown above",
        )
    try:
        settings = load_settings()
    except FerError:
        yield Finding(
            Level.WARN,
            "machine",
            "device, threads, disks and raw data are not checked: the settings cannot be read",
        )
        return
    yield from guarded("data sets", partial(project.check_data, descriptors, settings.raw, listed))
    yield from guarded("stages elsewhere", partial(elsewhere.check_workers, settings, _DVC))
    yield from guarded("CPU threads", partial(machine.check_threads, settings))
    yield from guarded("device", partial(software.check_device, settings))

    def disks() -> Iterator[Finding]:
        cache, kinds = machine.cache_of(_DVC)
        yield from machine.check_cache(cache, kinds)
        yield from machine.check_disks(
            Path().absolute(), cache, settings, machine.bytes_needed(descriptors, listed)
        )

    yield from guarded("disk", disks)
