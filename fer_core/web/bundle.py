"""The page's code as `make setup` built it, and whether it still is what `web/` holds."""

import hashlib
import sys
from pathlib import Path

from fer_core.base.errors import ArtifactError

__all__ = [
    "BUNDLE",
    "RECORD",
    "SINGLE",
    "SOURCES",
    "bundle_files",
    "find_bundle",
    "sources_sha256",
]

SOURCES = Path("web")
BUNDLE = SOURCES / "dist"
RECORD = "sources.sha256"
"""File in the bundle: the hash of what it was built from."""
SINGLE = "single"
"""Folder in the bundle: the parts of the page as one file."""

_MADE = ("node_modules", "dist")
_REMEDY = "`make setup` builds it"


def sources_sha256(sources: Path = SOURCES) -> str:
    """Hexadecimal SHA-256 over names and contents of the page's sources."""
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*")):
        name = path.relative_to(sources).as_posix()
        if path.is_file() and name.split("/")[0] not in _MADE:
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def find_bundle(sources: Path = SOURCES) -> Path:
    """Folder of the page that was built from these very sources: beside them, else in the project
    whose environment runs this. (An experiment of DVC runs in a copy that git knows, without what
    was built.)

    Raises:
        ArtifactError: the page is not built, or was built from other sources.
    """
    beside = sources / BUNDLE.name
    expected = sources_sha256(sources)
    found = {place: _built_from(place) for place in (beside, Path(sys.prefix).parent / BUNDLE)}
    for place, record in found.items():
        if record == expected:
            return place
    if found[beside] is None:
        raise ArtifactError("The page is not built.", where=beside, remedy=_REMEDY)
    raise ArtifactError(
        "The page was built from other sources.",
        where=beside / RECORD,
        found=found[beside],
        expected=expected,
        remedy=_REMEDY,
    )


def _built_from(folder: Path) -> str | None:
    record = folder / RECORD
    return record.read_text().strip() if record.is_file() else None


def bundle_files(folder: Path) -> list[Path]:
    """Files of the built page, relative to its folder, in order of their names; the parts of the
    single file are left out.
    """
    files = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if path.parts[0] not in (RECORD, SINGLE)]
