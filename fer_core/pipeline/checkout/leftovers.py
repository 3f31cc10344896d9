"""What a checkout holds and no result needs: unused cache, scratch folders of trainings that
stopped, folders that experiments left behind.

The cache is DVC's to collect: what the workspace, any branch, tag or experiment names is kept. A
scratch folder is left over once no process holds it and nobody touched it for some days: until then
the same training may go on from it.
"""

import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from fer_core.base.errors import ArtifactError

__all__ = ["Leftover", "leftovers", "remove", "unused_cache"]

_STAGES = (
    "teacher_a",
    "teacher_b",
    "teacher_fold",
    "student",
    "crossval",
    "cross_dataset",
    "adapt",
)
_KEPT = ("--workspace", "--all-branches", "--all-tags", "--all-experiments")
_DAY = 86400
_REMOVING = re.compile(r"^Removing (.+)$", re.M)


@dataclass(frozen=True)
class Leftover:
    """A folder that may be removed.

    Attributes:
        path: of the folder.
        what: it is, in words.
        size: bytes in it.
        days: since anything in it was written.
    """

    path: Path
    what: str
    size: int
    days: float


def leftovers(runs: Path, tmp: Path, older: float) -> list[Leftover]:
    """Folders that nobody holds and that were not written to for so many days.

    Args:
        runs: folder of scratch folders, as the settings have it.
        tmp: DVC's folder for temporary files.
        older: days.
    """
    experiments = tmp / "exps"
    stopped = [
        folder
        for above in (runs, experiments)
        for stage in _STAGES
        for folder in sorted((above / stage).glob("*/*"))
        if folder.is_dir() and not _is_held(folder.with_name(f"{folder.name}.lock"))
    ]
    left = sorted([*experiments.glob("tmp*"), *experiments.glob("standalone/tmp*")])
    found = [
        *(_looked_at(folder, "a training that stopped") for folder in stopped),
        *(_looked_at(folder, "the workspace of an experiment") for folder in left),
    ]
    return [leftover for leftover in found if leftover.days >= older]


def remove(leftover: Leftover) -> None:
    """Remove a folder and the lock beside it."""
    shutil.rmtree(leftover.path, ignore_errors=True)
    leftover.path.with_name(f"{leftover.path.name}.lock").unlink(missing_ok=True)


def unused_cache(really: bool) -> tuple[int, int]:
    """Number and bytes of objects that no workspace, branch, tag or experiment names; with `really`
    they are removed.

    Raises:
        ArtifactError: DVC cannot tell.
    """
    command = [str(Path(sys.executable).parent / "dvc"), "gc", "--force", *_KEPT]
    done = subprocess.run([*command, "--dry"], capture_output=True, text=True, check=False)
    paths = [Path(found) for found in _REMOVING.findall(done.stdout + done.stderr)]
    size = sum(path.stat().st_size for path in paths if path.is_file())
    if really and not done.returncode and paths:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ArtifactError(
            "DVC cannot tell what of its cache is in use.",
            where=" ".join(command),
            found=done.stderr.strip(),
            remedy="`fer doctor`, then again",
        )
    return len(paths), size


def _looked_at(folder: Path, what: str) -> Leftover:
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    newest = max([folder.stat().st_mtime, *(file.stat().st_mtime for file in files)])
    size = sum(file.stat().st_size for file in files)
    return Leftover(folder, what, size, (time.time() - newest) / _DAY)


def _is_held(lock: Path) -> bool:
    """Whether a training holds its scratch folder."""
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, blocking=False):
            return False
    except Timeout:
        return True
