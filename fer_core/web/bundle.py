"""The page's code as `make setup` built it, and whether it still is what `web/` holds."""

import hashlib
from pathlib import Path

from fer_core.base.errors import ArtifactError

__all__ = ["BUNDLE", "RECORD", "SINGLE", "SOURCES", "read_bundle", "sources_sha256"]

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


def read_bundle(sources: Path = SOURCES) -> list[Path]:
    """Files of the built page, relative to its folder, in order of their names; the parts of the
    single file are left out.

    Raises:
        ArtifactError: the page is not built, or was built from other sources.
    """
    folder = sources / BUNDLE.name
    record = folder / RECORD
    if not record.is_file():
        raise ArtifactError("The page is not built.", where=folder, remedy=_REMEDY)
    if (found := record.read_text().strip()) != (expected := sources_sha256(sources)):
        raise ArtifactError(
            "The page was built from other sources.",
            where=record,
            found=found,
            expected=expected,
            remedy=_REMEDY,
        )
    files = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if path.parts[0] not in (RECORD, SINGLE)]
