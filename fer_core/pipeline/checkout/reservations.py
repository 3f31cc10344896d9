"""Who reads and writes which files: DVC's `.dvc/tmp/rwlock`, and one `fer run` at a time.

DVC rewrites `rwlock` in place, and believes an entry as long as any process has its number. Here
the file is replaced in one step, a damaged one counts as empty, and an entry lives only as long as
the process that wrote it.
"""

import json
import logging
import os
import socket
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from fer_core.base.errors import BusyError
from fer_core.base.files import new_file

__all__ = ["Reservations", "mend_rwlock", "only_run", "rwlock_fault"]

log = logging.getLogger(__name__)

_RWLOCK = "rwlock"
_RUN, _WHO = "fer-run.lock", "fer-run.json"
_PATIENCE = 0.2  # seconds
_CLOCK = 60.0  # seconds that the kernel's count of time may be off the file system's


@contextmanager
def only_run(tmp: Path, command: str, wait: bool) -> Iterator[None]:
    """Context of the only `fer run` in this checkout.

    Args:
        tmp: DVC's folder for temporary files.
        command: what is run, told to others.
        wait: whether to wait for another run, or else to leave.

    Raises:
        BusyError: another run is at work and `wait` is false.
    """
    lock, who = FileLock(tmp / _RUN), tmp / _WHO
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        told = _told(who)
        if not wait:
            raise BusyError(
                "Another `fer run` is at work in this checkout.",
                where=tmp.parent.parent,
                found=told,
                remedy="leave out --no-wait to wait for it, or stop that process",
            ) from error
        log.warning("another `fer run` is at work here (%s); waiting for it", told)
        lock.acquire(poll_interval=_PATIENCE)
    try:
        started = datetime.now().isoformat(sep=" ", timespec="seconds")
        details = {"process": os.getpid(), "host": socket.gethostname(), "started": started}
        with new_file(who) as temporary:
            temporary.write_text(json.dumps(details | {"command": command}), encoding="utf-8")
        yield
    finally:
        who.unlink(missing_ok=True)
        lock.release()


def _told(who: Path) -> str:
    """What another run says of itself; it may be ending, or just beginning."""
    try:
        return ", ".join(f"{name} {value}" for name, value in json.loads(who.read_text()).items())
    except (OSError, ValueError):
        return "it has not said more"


class Reservations:
    """Entries of this process in DVC's `rwlock`, so that no other DVC command touches what running
    stages read and write.

    Args:
        tmp: DVC's folder for temporary files.
        command: what others are told of this process.
        hardlink: DVC's setting `core.hardlink_lock`.
    """

    def __init__(self, tmp: Path, command: str, hardlink: bool = False) -> None:
        self._tmp, self._hardlink = tmp, hardlink
        self._mine = {"pid": os.getpid(), "cmd": command}
        self._readers: Counter[str] = Counter()

    def hold(self, reads: Collection[str], writes: Collection[str]) -> None:
        """Reserve files or folders.

        Raises:
            BusyError: another live process writes what is to be read, or uses what is to be
                written.
        """
        with self._edit() as (read, write):
            for path, holder in write.items():
                self._check(path, holder, [*reads, *writes])
            for path, holders in read.items():
                for holder in holders:
                    self._check(path, holder, writes)
            for path in reads:
                if self._mine not in read.setdefault(path, []):
                    read[path].append(self._mine)
            write.update(dict.fromkeys(writes, self._mine))
        self._readers.update(reads)

    def release(self, reads: Collection[str], writes: Collection[str]) -> None:
        """Give files back, but for those that another stage of this run still reads."""
        self._readers.subtract(reads)
        with self._edit() as (read, write):
            for path in writes:
                if write.get(path) == self._mine:
                    del write[path]
            for path in reads:
                if not self._readers[path] and self._mine in read.get(path, []):
                    read[path].remove(self._mine)
                    if not read[path]:
                        del read[path]

    def _check(self, path: str, holder: dict[str, Any], wanted: Collection[str]) -> None:
        from dvc.fs import localfs

        if holder == self._mine:
            return
        for want in wanted:
            if localfs.overlaps(want, path):
                raise BusyError(
                    "Another DVC command uses this file.",
                    where=want,
                    found=f"process {holder['pid']}: {holder['cmd']}",
                    remedy="wait for it or stop it",
                )

    @contextmanager
    def _edit(self) -> Iterator[tuple[dict[str, list[Any]], dict[str, Any]]]:
        from dvc.lock import make_lock

        guard = make_lock(
            str(self._tmp / "rwlock.lock"), tmp_dir=str(self._tmp), hardlink_lock=self._hardlink
        )
        with guard:
            read, write = _live_entries(self._tmp)
            yield read, write
            _write(self._tmp, read, write)


def rwlock_fault(tmp: Path) -> str | None:
    """What is wrong with `rwlock` in a few words, or None."""
    try:
        found = _entries(tmp / _RWLOCK)
    except FileNotFoundError:
        return None
    except ValueError:
        return "damaged"
    read, write = _live_entries(tmp)
    return None if found == {"write": write, "read": read} else "it names commands that are gone"


def mend_rwlock(tmp: Path) -> str | None:
    """Put a damaged `rwlock`, or one with entries of processes that are gone, in order.

    Returns:
        One sentence that says what was done, or None.
    """
    if (fault := rwlock_fault(tmp)) is None:
        return None
    _write(tmp, *_live_entries(tmp))
    return f"{tmp / _RWLOCK} is in order again ({fault})"


def _live_entries(tmp: Path) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """What living processes read and write, by path; a damaged file says nothing."""
    file = tmp / _RWLOCK
    try:
        found = _entries(file)
    except FileNotFoundError:
        return {}, {}
    except ValueError:
        return {}, {}
    written = file.stat().st_mtime
    read = {
        path: [holder for holder in holders if _lives(holder, written)]
        for path, holders in found["read"].items()
    }
    write = {path: holder for path, holder in found["write"].items() if _lives(holder, written)}
    return {path: holders for path, holders in read.items() if holders}, write


def _entries(file: Path) -> dict[str, Any]:
    """What the file holds.

    Raises:
        ValueError: it is damaged.
    """
    from dvc.rwlock import SCHEMA
    from voluptuous import Invalid

    try:
        return dict(SCHEMA(json.loads(file.read_bytes())))
    except (Invalid, RecursionError) as error:
        raise ValueError(str(error)) from error


def _lives(holder: dict[str, Any], written: float) -> bool:
    """Whether the process of an entry lives: one of its number that began before the entry was
    written and whose command line ends as the entry's does.
    """
    try:
        process = psutil.Process(holder["pid"])
        if process.create_time() > written + _CLOCK:
            return False
        arguments = holder["cmd"].split()[1:]
        return " ".join(process.cmdline()).endswith(" ".join(arguments))
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _write(tmp: Path, read: dict[str, list[Any]], write: dict[str, Any]) -> None:
    with new_file(tmp / _RWLOCK) as temporary:
        temporary.write_text(json.dumps({"write": write, "read": read}), encoding="utf-8")
