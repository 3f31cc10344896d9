"""Questions to git about the project."""

import shutil
import subprocess
from pathlib import Path

from fer_core.base.errors import MachineError

__all__ = ["copy_project", "git", "project_files"]


def git(root: Path, *arguments: str) -> str:
    """What git answers in a folder, without white space around it.

    Raises:
        MachineError: there is no git, this is no repository, or git refuses.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise MachineError(
            "git does not answer.",
            where=root.absolute(),
            found=(getattr(error, "stderr", "") or str(error)).strip(),
            remedy="`fer doctor` checks git and this folder",
        ) from error
    return done.stdout.strip()


def project_files(root: Path) -> set[str]:
    """Paths that git knows or would add, relative to the root; some may be gone.

    Raises:
        MachineError: as `git`.
    """
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--")
    return set(listed.split("\0")) - {""}


def copy_project(root: Path, folder: Path) -> None:
    """Copy the files of `project_files` as they are now; those that are gone go there too."""
    for name in project_files(root):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
