"""Code and parameters as they are now, packed for workers: the files that git knows or would add,
without what stages make, the page as set-up built it, and the last commit.
"""

import hashlib
import os
import shutil
import tarfile
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from fer_core.base.errors import MachineError
from fer_core.base.files import new_file, new_folder
from fer_core.base.git import git, project_files
from fer_core.web.bundle import BUNDLE

__all__ = ["Snapshot", "Snapshots"]


@dataclass(frozen=True)
class Snapshot:
    """One state of the checkout.

    Attributes:
        digest: names it by its content.
        tar: the files, and `.git` with the last commit where there is one.
        folder: the same, unpacked, without `.git`; workers' own code is loaded from here.
        files: paths in it, relative to the root.
    """

    digest: str
    tar: Path
    folder: Path
    files: frozenset[str]


class Snapshots:
    """Snapshots of one checkout.

    Args:
        root: of the checkout.
        outs: paths of what stages make, relative to the root; they travel by hash.
        into: folder that they are kept in; what earlier runs have left there is removed.
    """

    def __init__(self, root: Path, outs: Collection[str], into: Path) -> None:
        self._root, self._into = root, into
        self._outs = (*outs, "dvc.lock")  # the coordinator's own
        self._lock = threading.Lock()
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        self._hashes: dict[str, tuple[tuple[int, int, int], str]] = {}

    def take(self) -> Snapshot:
        """The snapshot of what is there now; one that was taken before where nothing changed.

        Raises:
            MachineError: this is no git checkout.
        """
        try:
            with self._lock:
                return self._take()
        except MachineError as error:
            raise MachineError(
                "The code cannot be packed for other machines.",
                where=self._root,
                found=error.found,
                remedy="stages run elsewhere only from a git checkout; `fer run` without --on "
                "needs none",
            ) from error

    def _take(self) -> Snapshot:
        head, files = self._head(), self._files()
        digest = hashlib.sha256(head.encode())
        for name in files:
            digest.update(f"\0{name}\0{self._hash(name)}".encode())
        found = digest.hexdigest()
        folder, tar = self._into / found[:16], self._into / f"{found[:16]}.tar"
        if not tar.exists():
            self._pack(folder, tar, files, head)
        return Snapshot(found, tar, folder, frozenset(files))

    def _files(self) -> list[str]:
        built = {  # git ignores it, and stage web reads it
            path.relative_to(self._root).as_posix() for path in (self._root / BUNDLE).rglob("*")
        }
        return sorted(
            name
            for name in built | project_files(self._root)
            if os.path.lexists(self._root / name)
            and not (self._root / name).is_dir()
            and not any(name == out or name.startswith(f"{out}/") for out in self._outs)
        )

    def _hash(self, name: str) -> str:
        path = self._root / name
        if path.is_symlink():
            return f"link {path.readlink()}"
        state = path.stat()
        key = (state.st_mtime_ns, state.st_size, state.st_mode)
        if name not in self._hashes or self._hashes[name][0] != key:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            self._hashes[name] = (key, f"{bool(state.st_mode & 0o100)} {content}")
        return self._hashes[name][1]

    def _head(self) -> str:
        """The last commit; "" where there is none, or the project is a part of a repository."""
        if git(self._root, "rev-parse", "--show-prefix"):
            return ""
        try:
            return git(self._root, "rev-parse", "--verify", "--quiet", "HEAD")
        except MachineError:
            return ""

    def _pack(self, folder: Path, tar: Path, files: list[str], head: str) -> None:
        with new_folder(folder) as unpacked:
            for name in files:
                (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._root / name, unpacked / name, follow_symlinks=False)
        with new_file(tar) as temporary, tarfile.open(temporary, "w") as archive:
            for name in files:
                archive.add(folder / name, name)
            if head:
                clone = self._into / f"git-{head}"
                if not clone.exists():
                    with new_folder(clone) as made:
                        url = self._root.as_uri()
                        options = ("--quiet", "--no-checkout", "--depth=1")
                        git(self._root, "clone", *options, url, str(made))
                archive.add(clone / ".git", ".git")
