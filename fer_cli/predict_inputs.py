"""What `fer predict` is given: image files, folders of images, and tables of image paths."""

import csv
from collections.abc import Iterable
from pathlib import Path

from fer_core.errors import DataError

__all__ = ["image_files"]

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}
_COLUMNS = ("path", "file", "image", "filename", "image_path", "subdirectory_filepath")
_MOST_COLUMNS = 1000


def image_files(inputs: Iterable[Path]) -> list[Path]:
    """Files given, those of tables given in the order of their rows, and all images below folders given in the order of their paths.

    A table is a .csv with a column of paths, or with nothing else in it; paths are relative to the table's folder.

    Raises:
        DataError: a path that is not there, a folder without images, or a table without a column of paths or with a path that is not there.
    """
    files: list[Path] = []
    for path in inputs:
        if path.is_dir():
            files += _of_folder(path)
        elif not path.is_file():
            raise DataError("There is no such file or folder.", where=path)
        elif path.suffix.lower() == ".csv":
            files += _of_table(path)
        else:
            files.append(path)
    return files


def _of_folder(folder: Path) -> list[Path]:
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    if not found:
        raise DataError("This folder holds no images.", where=folder, expected=f"files that end in {', '.join(sorted(_SUFFIXES))}")
    return found


def _of_table(table: Path) -> list[Path]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = [(reader.line_num, row) for reader in [csv.reader(stream, strict=True)] for row in reader if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("This table cannot be read.", where=table, found=error, expected="CSV in UTF-8") from error
    if not rows:
        raise DataError("This table is empty.", where=table)
    head = [name.strip().lower() for name in rows[0][1][:_MOST_COLUMNS]]
    column = next((head.index(name) for name in _COLUMNS if name in head), None)
    if column is not None:
        rows = rows[1:]
    elif len(head) == 1:
        column = 0
    else:
        raise DataError("This table has no column of image paths.", where=table, found=", ".join(head[:20]), expected=" or ".join(_COLUMNS))
    files = []
    for line, row in rows:
        name = row[column].strip() if column < len(row) else ""
        if not name or not (file := table.parent / name).is_file():
            raise DataError(
                "A row names no file.", where=f"{table}: line {line}", found=name or "nothing", expected="a path relative to the table"
            )
        files.append(file)
    if not files:
        raise DataError("This table has a head and no rows.", where=table)
    return files
