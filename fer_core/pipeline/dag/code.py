"""Which code a stage depends on: a folder, and everything in it.

A folder of the library either holds modules or other folders, so that a dependency on one never
takes another along. `base` is exempt: errors, logs, labels and the plumbing that only carries
values do not change results, and a new error text must not retrain a teacher. A shelf holds
modules that never need each other (readers, losses); a stage depends on those of its item alone.
"""

import ast
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

__all__ = ["SHELVES", "code_deps", "code_files", "is_code", "stage_module"]

SHELVES = ("fer_core/sources/layouts", "fer_core/training/losses")
_PACKAGES = ("fer_core", "stages")
_EXEMPT = "fer_core/base"
_ENTRY = "stages/entry.py"


def code_deps(module: str, root: Path = Path(), per_item: Sequence[str] = ()) -> list[str]:
    """The stage's own file, then the folders of all modules that it imports, directly or not; one
    folder where all folders in it would be named.

    Args:
        module: of the stage, "stages.clean".
        root: folder of the code.
        per_item: files that only some items of the stage import, as dvc.yaml names them
            (`fer_core/training/losses/${item.loss}.py`); what those import counts too.
    """
    own, folders = [], set()
    for file in code_files(module, root, per_item):
        folder = file.parent.relative_to(root).as_posix()
        if folder == "stages":
            own.append(file.relative_to(root).as_posix())
        elif folder != _EXEMPT and folder not in SHELVES:
            folders.add(folder)
    return [*own, *sorted(_whole(folders, root))]


def _whole(folders: set[str], root: Path) -> set[str]:
    """The folders, with a parent in the place of its folders where all of them are there."""
    found = set(folders)
    for parent in {str(Path(folder).parent) for folder in folders} - {*_PACKAGES}:
        inside = {
            path.parent.relative_to(root).as_posix() for path in (root / parent).glob("*/*.py")
        }
        if inside <= folders and len(inside) > 1:
            found = found - inside | {parent}
    return found


def code_files(module: str, root: Path = Path(), per_item: Sequence[str] = ()) -> list[Path]:
    """Files of a module and of every first-party module that it imports, directly or not.

    How every stage starts and ends (`stages/entry.py`) is left out.
    """
    of_items = [path for dep in per_item for path in root.glob(re.sub(r"\$\{[^}]*\}", "*", dep))]
    found: set[Path] = set()
    open_ends = {module, *(name for path in of_items for name in _imports(path))}
    asked: set[str] = set()
    while open_ends:
        asked.add(name := open_ends.pop())
        path = module_file(name, root)
        if path is not None and path != root / _ENTRY:
            found.add(path)
            open_ends |= {*_imports(path)} - asked
    return sorted(found)


def is_code(dep: str) -> bool:
    """Whether a dependency in dvc.yaml is code of ours."""
    return dep.split("/")[0] in _PACKAGES


def stage_module(command: object, root: Path = Path()) -> str | None:
    """The module that a stage's command in dvc.yaml runs: "stages.teacher" for `python -m
    stages.teacher a …`; None for a command of the user's own.
    """
    found = re.match(r"python -m (stages\.\w+)", str(command))
    return found[1] if found and module_file(found[1], root) else None


def module_file(module: str, root: Path = Path()) -> Path | None:
    """File of a first-party module; None where there is no such file."""
    path = root.joinpath(*module.split(".")).with_suffix(".py")
    return path if path.is_file() else None


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """First-party modules that a file imports anywhere in its text."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in modules if name.split(".")[0] in _PACKAGES)
