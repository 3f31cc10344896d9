"""What `fer predict` is given: image files, folders of images and tables of image paths.

Photos are read as cameras and phones write them: larger than what the pipeline takes, and TIFF
too.
"""

import csv
import io
import logging
import os
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fer_cli.predict.output import in_text
from fer_core.base.errors import DataError
from fer_core.pixels.decode import UndecodableImage, decode_rgb, image_size
from fer_core.pixels.opencv import cv2
from fer_core.pixels.picture_files import (
    IMAGE_SUFFIXES,
    PATH_COLUMNS,
    VIDEO_SUFFIXES,
    column_word,
    is_litter,
)

__all__ = ["MAX_PIXELS", "SUFFIXES", "Item", "files_below", "image_files", "read_photo"]

_TELLS_DAMAGE = find_spec("simplejpeg") is not None
MAX_PIXELS = 200_000_000
"""Of the largest phone cameras; decoding takes about six bytes a pixel."""

SUFFIXES = tuple(sorted(IMAGE_SUFFIXES - {".gif"}))
"""Of files in folders that are read; a GIF cannot be decoded here."""

_KINDS = "PNG, JPEG, BMP, WebP or TIFF"
_WIDTH, _HEIGHT = 256, 257  # TIFF tags
_TABLES = (".csv", ".tsv")
_MOST_COLUMNS = 1000
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}


def read_photo(file: Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file, upright as its EXIF orientation says; of a TIFF the first page.

    Args:
        file: PNG, JPEG, BMP, WebP or TIFF, whatever its name ends in.
        max_pixels: limit on width x height, checked from the header before anything is decoded.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        DataError: the file cannot be read, is no image of these kinds, is damaged, or is over the
            limit; says what a user can do.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError("This file cannot be read.", where=file, found=error.strerror) from error
    is_tiff = data[:4] in (b"II*\0", b"MM\0*")
    try:
        width, height = _tiff_size(data, file) if is_tiff else image_size(data, file)
        if width * height > max_pixels:
            raise DataError(
                "An image has more pixels than allowed.",
                where=file,
                found=f"{width} x {height}",
                expected=f"at most {max_pixels} pixels",
                remedy="shrink it, or raise --max-pixels if the file is sound",
            )
        _check_whole(data, file)
        return (
            _decode_tiff(data, file, (width, height))
            if is_tiff
            else decode_rgb(data, file, max_pixels)
        )
    except UndecodableImage as error:
        raise DataError(
            error.problem,
            where=file,
            found=error.found,
            expected=error.expected and _KINDS,
            remedy="if another program shows it, save it from there as JPEG or PNG",
        ) from error


def _check_whole(data: bytes, where: object) -> None:
    """Refuse a JPEG that is damaged within; installed without training, nothing can tell."""
    if _TELLS_DAMAGE:
        from fer_core.pixels.damage import check_whole

        check_whole(data, where)


def _tiff_size(data: bytes, where: object) -> tuple[int, int]:
    """Width and height from the first directory of a TIFF (TIFF 6.0, section 2).

    Raises:
        UndecodableImage: the directory is cut short or gives no size.
    """
    order = "<" if data[:2] == b"II" else ">"
    sizes = {_WIDTH: 0, _HEIGHT: 0}
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        (entries,) = struct.unpack_from(f"{order}H", data, place)
        for entry in range(place + 2, place + 2 + 12 * entries, 12):
            tag, kind = struct.unpack_from(f"{order}HH", data, entry)
            if tag in sizes:
                (sizes[tag],) = struct.unpack_from(
                    order + ("H" if kind == 3 else "I"), data, entry + 8
                )
    except struct.error as error:
        raise UndecodableImage(
            "An image is damaged.", where=where, found="the file ends too early"
        ) from error
    width, height = sizes.values()
    if not width or not height:
        raise UndecodableImage(
            "An image is damaged.",
            where=where,
            found=f"the header gives a size of {width} x {height}",
        )
    return width, height


def _decode_tiff(data: bytes, where: object, size: tuple[int, int]) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UndecodableImage(
            "An image is damaged.", where=where, found="the decoder refuses it"
        ) from error
    if image is None or sorted(image.shape[:2]) != sorted(size):
        raise UndecodableImage("An image is damaged.", where=where, found="the decoder refuses it")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Item:
    """One thing to answer for.

    Attributes:
        file: the image; the table itself where a row of it is empty.
        fault: why there is no such image.
    """

    file: Path
    fault: DataError | None = None

    @property
    def is_video(self) -> bool:
        """True for a video by its name."""
        return self.file.suffix.lower() in VIDEO_SUFFIXES


def image_files(inputs: Iterable[Path]) -> list[Item]:
    """Files given, those of tables given in the order of their rows, and all images below folders
    given in the order of their paths.

    A table is a .csv or .tsv with a column of paths, or with nothing else in it; paths are relative
    to the table's folder. A row that names no file gives an item with a fault. Files of a folder
    that are no images by their name are counted in the log.

    Raises:
        DataError: a path that is not there, a folder without images, or a table that cannot be read
            or has no column of paths.
    """
    items: list[Item] = []
    for path in inputs:
        if path.is_dir():
            items += [Item(file) for file in _of_folder(path)]
        elif not path.is_file():
            raise DataError("There is no such file or folder.", where=path)
        elif path.suffix.lower() in _TABLES:
            items += _of_table(path)
        else:
            items.append(Item(path))
    return [_checked(item) for item in items]


def _checked(item: Item) -> Item:
    """A fault where the file's name is no text."""
    try:
        str(item.file).encode()
    except UnicodeEncodeError:
        name = in_text(item.file.name)
        fault = DataError("A file name is not UTF-8.", where=name, remedy="rename the file")
        return Item(item.file, item.fault or fault)
    return item


def files_below(folder: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Files below a folder, through links too, each folder once on a way; what systems leave behind
    is passed over.
    """
    real = os.path.realpath(folder)
    if real in above:
        return
    for entry in folder.iterdir():
        if is_litter(entry.name):
            continue
        if entry.is_dir():
            yield from files_below(entry, (*above, real))
        elif entry.is_file():
            yield entry


def _of_folder(folder: Path) -> list[Path]:
    files = sorted(files_below(folder))
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    others = Counter(
        in_text(file.suffix.lower()) or "without a suffix"
        for file in files
        if file.suffix.lower() not in SUFFIXES
    )
    left = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common())
    if not images:
        raise DataError(
            "This folder holds no images.",
            where=folder,
            found=left or "no files",
            expected=f"files that end in {', '.join(SUFFIXES)}",
        )
    if left:
        log.warning("%s: files that are not read: %s", folder, left)
    return images


def _of_table(table: Path) -> list[Item]:
    rows = _rows(table)
    column = _column(_names(rows[0][1]))
    if column is not None:
        rows = rows[1:]
    if not rows:
        raise DataError("This table has a head and no rows.", where=table)
    return [_of_row(table, line, row, column or 0) for line, row in rows]


def _of_row(table: Path, line: int, row: list[str], column: int) -> Item:
    name = row[column].strip() if column < len(row) else ""
    if name and (table.parent / name).is_file():
        return Item(table.parent / name)
    where = f"{table}: line {line}"
    fault = DataError(
        "A row names no file.",
        where=where,
        found=name or "nothing",
        expected="a path relative to the table",
    )
    return Item(table.parent / name if name else table, fault)


def _rows(table: Path) -> list[tuple[int, list[str]]]:
    """Rows that hold something, with their line numbers.

    The delimiter is the one by which the first row names a column of paths. Where none does, the
    table is a list of paths.

    Raises:
        DataError: not UTF-8, not CSV, empty, or several columns of which none is known.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
        first = next((line for line in text.splitlines() if line.strip()), None)
        if first is None:
            raise DataError("This table is empty.", where=table)
        heads = {mark: _names(next(csv.reader([first], delimiter=mark))) for mark in _DELIMITERS}
        delimiter = next((mark for mark, head in heads.items() if _column(head) is not None), ",")
        if _column(heads[delimiter]) is None:
            widest = max(heads.values(), key=len)
            if len(heads[","]) > 1 or (
                len(widest) > 1 and not (table.parent / first.strip()).is_file()
            ):
                raise DataError(
                    "This table has no column of image paths.",
                    where=table,
                    found=", ".join(widest[:20]),
                    expected=f"{' or '.join(PATH_COLUMNS[:7])}; columns divided by "
                    f"{' or '.join(_DELIMITERS.values())}",
                )
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
        return [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            "This table cannot be read.", where=table, found=error, expected="CSV in UTF-8"
        ) from error


def _names(head: list[str]) -> list[str]:
    return [column_word(name) for name in head[:_MOST_COLUMNS]]


def _column(head: list[str]) -> int | None:
    return next((head.index(name) for name in PATH_COLUMNS if name in head), None)
