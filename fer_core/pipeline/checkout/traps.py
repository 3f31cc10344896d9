"""What goes wrong on real machines before anything of ours does: a moved `.venv`, `fer` of another
checkout, a path that DVC cannot take, a cache that cannot be written or that others cannot read.

`fer doctor` tells all of it, and `fer run` before it starts work.
"""

import errno
import logging
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fer_core.base.errors import MachineError
from fer_core.pipeline.checkout.cache import cache_settings

__all__ = ["Trap", "check_traps", "traps"]

log = logging.getLogger(__name__)

_CODE = Path(__file__).parents[3]
_LEAST_FREE = 100e6  # bytes of cache; a run writes more, and `fer doctor` says how much
_SHEBANG = re.compile(r"^#!(?:/bin/sh\n'''exec' \"?)?([^\s\"]+/bin/python[\d.]*)")


@dataclass(frozen=True)
class Trap:
    """One thing that is wrong with a machine.

    Attributes:
        what: in a word or two.
        found: a sentence without a full stop.
        remedy: what to do.
        fatal: whether a run cannot be trusted or cannot end.
    """

    what: str
    found: str
    remedy: str
    fatal: bool = True


def check_traps(root: Path = Path()) -> None:
    """Refuse to start where a run would fail or go astray; log what only DVC's own commands mind.

    Raises:
        MachineError: says what to do.
    """
    for trap in traps(root):
        if trap.fatal:
            raise MachineError(f"{trap.found}.", where=root.absolute(), remedy=trap.remedy)
        log.warning("%s; %s", trap.found, trap.remedy)


def traps(root: Path = Path(), environment: Path = Path(sys.prefix)) -> Iterator[Trap]:
    """All traps of a checkout on this machine.

    Args:
        root: of the checkout.
        environment: the virtual environment that runs this.
    """
    yield from _other_code(root)
    yield from _moved(root, environment)
    if not str(root.absolute()).isascii():
        yield Trap(
            "project path",
            f"the project's path has letters outside ASCII, on which `dvc exp run --temp` and `dvc "
            f"queue` fail: {root.absolute()}",
            "clone the project into a folder whose path has none, if you want experiments",
            fatal=False,
        )
    yield from _cache(root)


def _other_code(root: Path) -> Iterator[Trap]:
    here = root.absolute()
    if (here / "fer_core").is_dir() and here.resolve() != _CODE.resolve():
        yield Trap(
            "checkout",
            f"this `fer` is of another checkout, {_CODE}, but the code of this one would run the "
            "stages: a mixture of both",
            "`make setup` here, then `. .venv/bin/activate`; or go to that checkout",
        )


def _moved(root: Path, environment: Path) -> Iterator[Trap]:
    """A virtual environment whose programs start the Python of another place."""
    for folder in dict.fromkeys([environment, root.absolute() / ".venv"]):
        script = folder / "bin" / "fer"
        if not script.is_file():
            continue
        found = _SHEBANG.match(script.read_text(encoding="utf-8", errors="replace")[:1000])
        if found and Path(found[1]).parents[1].resolve() != folder.resolve():
            yield Trap(
                ".venv",
                f"{folder} was copied or moved: its programs start {found[1]}",
                f"remove {folder}, then `make setup`",
            )


def _cache(root: Path) -> Iterator[Trap]:
    """What DVC cannot write, and what others could not read."""
    from dvc.config import ConfigError

    try:
        config = cache_settings(root / ".dvc")
    except ConfigError:
        return  # DVC says so itself
    cache: Path = config["dir"]
    place = next((above for above in (cache, *cache.absolute().parents) if above.exists()), root)
    elsewhere = "`dvc config --local cache.dir FOLDER` names another"
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        full = error.errno == errno.ENOSPC
        remedy = "make room (`fer gc`)" if full else "make it writable for this user"
        yield Trap(
            "DVC cache",
            f"the cache {cache} cannot be written: {error.strerror}",
            f"{remedy}, or {elsewhere}",
        )
        return
    if (free := shutil.disk_usage(place).free) < _LEAST_FREE:
        yield Trap(
            "DVC cache",
            f"the disk of the cache {cache} is full: {free / 1e6:.0f} MB are free",
            f"make room (`fer gc`), or {elsewhere}",
        )
    umask = os.umask(0)
    os.umask(umask)
    shared = cache.exists() and place.stat().st_mode & stat.S_IWGRP
    if shared and umask & stat.S_IRGRP and config.get("shared") != "group":
        yield Trap(
            "DVC cache",
            f"umask {umask:03o} hides what is written from the group that shares the cache {cache}",
            "`umask 002` in this shell's profile, and `dvc config --local cache.shared group`",
        )
