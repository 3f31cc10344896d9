"""`fer doctor`: disks, the links between DVC's cache and the workspace, memory and threads."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer_cli.doctor.finding import Finding, Level, ProbeError
from fer_core.base.machine import usable_cores
from fer_core.base.settings import Settings

if TYPE_CHECKING:
    from fer_core.sources.catalogue.descriptor import Descriptor

__all__ = [
    "bytes_needed",
    "cache_of",
    "check_cache",
    "check_disks",
    "check_memory",
    "check_threads",
]

_COPIES = 3  # of the raw bytes: faces cleaned, faces packed, and what is made of them
_LEAST = 2e9  # bytes that a run writes whatever its data: weights, logits, reports
_MEMORY = 4e9
_GOOD_LINKS = ("reflink", "hardlink", "symlink")


def cache_of(dvc: Path) -> tuple[Path, list[str]]:
    """Folder of DVC's cache and the kinds of links it may use, in order, as DVC's configuration
    files say.

    Args:
        dvc: the project's folder `.dvc`.

    Raises:
        ProbeError: they cannot be read.
    """
    from dvc.config import ConfigError

    from fer_core.pipeline.checkout.cache import cache_settings

    try:
        cache = cache_settings(dvc)
    except ConfigError as error:
        raise ProbeError(f"DVC's configuration cannot be read: {error}") from error
    return cache["dir"], list(cache.get("type") or ["reflink", "copy"])


def check_cache(cache: Path, kinds: Sequence[str], root: Path = Path()) -> Iterator[Finding]:
    """Whether artifacts can be in the workspace without a second copy of their bytes."""
    together = _device(cache) == _device(root)
    usable = [kind for kind in kinds if together or kind not in ("reflink", "hardlink")]
    where = "" if together else f"{cache} is on another file system"
    shown = f"{', '.join(kinds)}; {where or 'on the file system of the workspace'}"
    if any(kind in _GOOD_LINKS[1:] for kind in usable):
        yield Finding(Level.OK, "DVC cache", shown)
    else:
        yield Finding(
            Level.WARN,
            "DVC cache",
            f"{shown}: artifacts are stored twice unless the file system can reflink",
            f"dvc config --local cache.type {','.join([*_GOOD_LINKS, 'copy'])}",
        )


def bytes_needed(descriptors: Sequence["Descriptor"], listed: Sequence[str]) -> float:
    """Estimate of the bytes that a run writes: three times the raw bytes of the listed data sets
    that are present.
    """
    raw = sum(
        descriptor.tree.bytes
        for descriptor in descriptors
        if descriptor.tree is not None and descriptor.name in listed
    )
    return max(_LEAST, _COPIES * raw)


def check_disks(root: Path, cache: Path, settings: Settings, needed: float) -> Iterator[Finding]:
    """Free bytes where a run writes, and of the raw folder, from which it only reads.

    Args:
        root: the project's.
        cache: DVC's.
        settings: the machine's.
        needed: bytes that a run writes from nothing; what `data/` holds already is taken off.
    """
    made = sum(file.stat().st_size for file in (root / "data").rglob("*") if file.is_file())
    still = max(_LEAST, needed - made)
    places = (
        ("project", root, still),
        ("DVC cache", cache, still),
        ("runs", settings.runs, _LEAST),
        ("raw data", settings.raw, 0),
    )
    for what, place, wanted in places:
        free = shutil.disk_usage(_existing(place)).free
        text = f"{_gigabytes(free)} free at {place}"
        if free >= wanted:
            yield Finding(
                Level.OK,
                f"disk: {what}",
                text + (f", about {_gigabytes(wanted)} wanted" if wanted else ""),
            )
        else:
            elsewhere = {
                "DVC cache": "dvc config --local cache.dir FOLDER",
                "runs": "set FER_RUNS to a folder elsewhere",
            }
            remedy = elsewhere.get(what, "make room, or `dvc gc --workspace`")
            yield Finding(
                Level.FAIL,
                f"disk: {what}",
                f"only {text}, about {_gigabytes(wanted)} wanted",
                remedy,
            )


def check_memory(total: float) -> Iterator[Finding]:
    """Whether the memory is enough for a stage."""
    if total < _MEMORY:
        yield Finding(
            Level.WARN,
            "memory",
            f"{_gigabytes(total)}, {_gigabytes(_MEMORY)} wanted",
            "smaller batches, and one stage at a time",
        )
    else:
        yield Finding(Level.OK, "memory", _gigabytes(total))


def check_threads(settings: Settings, usable: int | None = None) -> Iterator[Finding]:
    """Threads that the settings ask for against those that the process may use."""
    usable = usable or usable_cores()
    if settings.threads > usable:
        yield Finding(
            Level.WARN,
            "CPU threads",
            f"{settings.threads} asked for, {usable} usable",
            "set FER_THREADS lower, or to 0 for all",
        )
    else:
        yield Finding(Level.OK, "CPU threads", f"{settings.threads or usable} of {usable}")


def _existing(place: Path) -> Path:
    """The place, or the nearest folder above it that exists."""
    place = place.absolute()
    return next(above for above in (place, *place.parents) if above.exists())


def _device(place: Path) -> int:
    return _existing(place).stat().st_dev


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
