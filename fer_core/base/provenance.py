"""What a run or a report is made with: commit, Python, machine and packages; neither host nor user
nor folder is named.
"""

import platform
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from fer_core.base.errors import MachineError
from fer_core.base.git import git
from fer_core.base.machine import usable_cores

__all__ = ["surroundings"]

_CODE = ("fer_core", "stages", "params.yaml", "dvc.yaml")


def surroundings(root: Path) -> dict[str, Any]:
    """Under the names that a training's record uses: commit, python, system, cores, packages.

    Args:
        root: of the project. The commit is None outside git, and has a "+" where code or parameters
            differ from it; metrics and plots do not count, for the run writes them.
    """
    return {
        "commit": _commit(root),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": usable_cores(),
        "packages": dict(sorted({found.name: found.version for found in distributions()}.items())),
    }


def _commit(root: Path) -> str | None:
    try:
        head = git(root, "rev-parse", "HEAD")
        changed = git(root, "status", "--porcelain", "--", *_CODE)
    except MachineError:
        return None
    return head + ("+" if changed else "")
