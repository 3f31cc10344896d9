"""Artifacts changed by a careful forger, or by a wrong program: their headers fit again."""

from pathlib import Path
from typing import Any

from fer_core.base.artifact import HEADER_FILE, hash_file
from fer_core.base.files import read_json, write_json


def reseal(folder: Path, **values: Any) -> None:
    """Make the header's hashes fit the files as they are now, and set some of its values."""
    header = read_json(folder / HEADER_FILE)
    files = [path for path in folder.rglob("*") if path.is_file() and path != folder / HEADER_FILE]
    hashes = {path.relative_to(folder).as_posix(): hash_file(path) for path in sorted(files)}
    write_json(folder / HEADER_FILE, header | {"files": hashes} | values)


def rewrite(path: Path, values: Any) -> None:
    """Write a JSON file of an artifact anew, and make the header fit where there is one."""
    write_json(path, values)
    if (path.parent / HEADER_FILE).exists():
        reseal(path.parent)
