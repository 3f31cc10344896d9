"""Files of a raw folder: sorted, links followed, litter of operating systems left out."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fer_core.errors import DataError

__all__ = ["Fingerprint", "fingerprint", "is_litter", "names_in", "walk"]

_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class Fingerprint:
    """Number of files, their bytes and the SHA-256 of their sorted `relpath<TAB>size` lines (names and sizes, not contents)."""

    files: int
    bytes: int
    sha256: str


def is_litter(name: str) -> bool:
    """True for hidden files and what Windows and macOS leave in folders; these neither count nor are read."""
    return name.startswith(".") or name.lower() in _LITTER


def names_in(folder: Path) -> set[str]:
    """Names of all that lies in a folder; empty where there is no folder. One listing is far cheaper than a look per file."""
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def walk(root: Path, start: Path | None = None) -> Iterator[tuple[str, int]]:
    """Relative path (with `/`) and size in bytes of each file under `start` (default: `root`), sorted by path within a folder.

    Raises:
        DataError: a link leads nowhere or in a circle, or a name is not UTF-8.
    """
    yield from _walk(root, start or root, ())


def _walk(root: Path, folder: Path, above: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    real = os.path.realpath(folder)
    if real in above:
        raise DataError("A link leads in a circle.", where=folder, found=real, remedy="remove the link")
    with os.scandir(folder) as entries:
        found = sorted((entry for entry in entries if not is_litter(entry.name)), key=lambda entry: entry.name)
    for entry in found:
        path = Path(entry.path)
        try:
            entry.name.encode()
            if entry.is_dir():
                yield from _walk(root, path, (*above, real))
            else:
                yield path.relative_to(root).as_posix(), entry.stat().st_size
        except UnicodeEncodeError as error:
            raise DataError("A file name is not UTF-8.", where=folder, found=repr(entry.name), remedy="rename the file") from error
        except FileNotFoundError as error:
            raise DataError("A link leads nowhere.", where=path, remedy="remove or mend the link") from error


def fingerprint(root: Path, parts: Iterable[Path]) -> Fingerprint:
    """Fingerprint of files and folders that lie under `root`, whatever the order in which they are given.

    Raises:
        DataError: as `walk`.
    """
    sizes: dict[str, int] = {}
    for part in parts:
        if part.is_dir():
            sizes.update(walk(root, part))
        else:
            sizes[part.relative_to(root).as_posix()] = part.stat().st_size
    lines = "".join(f"{name}\t{size}\n" for name, size in sorted(sizes.items()))
    return Fingerprint(len(sizes), sum(sizes.values()), hashlib.sha256(lines.encode()).hexdigest())
