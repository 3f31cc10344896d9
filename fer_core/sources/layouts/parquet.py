"""Parquet files in the form of Hugging Face: a column of images (bytes, or paths beside the file)
and one of labels.

A label is a word, or a number whose names are in the schema's metadata (key `huggingface`, feature
ClassLabel). The file's name says the split (`train-00000-of-00002.parquet`, `test.parquet`), or the
folder that it lies in (`default/train/0000.parquet`), or a column (`split`, `usage`); else all is
train. A column of persons (`subject`, `group`) is read where there is one. Pictures stay as they
are: encoded bytes of any format that is known.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.base.errors import DataError
from fer_core.base.files import parse_json
from fer_core.base.labels import UNLABELLED
from fer_core.pixels.picture_files import column_word
from fer_core.sources.catalogue.faces import Exclusion, Face
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.families.tables import Columns, find_columns, meaning_of, split_of_file
from fer_core.sources.files.label_files import Line
from fer_core.sources.files.names import split_of
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry, FaceOrExclusion, Reader

__all__ = ["READER"]

_ENDING = ".parquet"
_ROWS = 64  # read at a time
_LARGEST_GROUP = 1 << 30  # bytes of a row group, unpacked
_MOST_NAMES = 1000
_IMAGES = ("image", "img", "picture", "photo", "face", "jpg", "png", "pixelvalues")
_UNSAFE = re.compile(r"[^\w. -]")
_FAULTS = (pa.ArrowException, OSError, MemoryError, ValueError, OverflowError, IndexError)
"""What pyarrow raises on damaged files."""


@dataclass(frozen=True, kw_only=True)
class _RowEntry(Entry):
    """A face in a row: `data` holds the picture while rows are scanned."""

    data: bytes = b""


@dataclass(frozen=True)
class _Form:
    """What the columns of a file mean: names of the image's column (a struct, or bytes), of those
    that are read beside it, and the words that numbers stand for.
    """

    image: str
    has_bytes: bool
    names: list[str]
    columns: Columns
    words: list[str] | None


class _Parquet(Reader):
    layout = "parquet"

    def recognise(self, tree: RawTree) -> bool:
        """True where a parquet file has images and labels."""
        for name in _parquets(tree)[:1]:
            try:
                with _opened(tree, name) as file:
                    _form(file, tree, name)
            except DataError:
                return False
            return True
        return False

    def files(self, tree: RawTree) -> list[str]:
        pictures = {entry.path.partition("/")[0] for entry in self._rows(tree) if entry.path}
        return [*_parquets(tree), *sorted(pictures)]

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[Entry]:
        """What the rows say; images are not read.

        Raises:
            DataError: no parquet file, a damaged one, or columns that do not fit.
        """
        return self._rows(tree)

    def picture(self, tree: RawTree, entry: _RowEntry) -> bytes:
        return entry.data or tree.read(entry.path)

    def scan(self, tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
        return (self._item(tree, entry, source) for entry in self._rows(tree, images=True))

    def no_persons(self, tree: RawTree, options: CleanOptions) -> str:
        with _opened(tree, _parquets(tree)[0]) as file:
            known = _form(file, tree, _parquets(tree)[0]).columns.group is not None
        return "" if known else "the table a column `subject`"

    def _rows(self, tree: RawTree, images: bool = False) -> Iterator[_RowEntry]:
        files, counts = _parquets(tree), dict[str, int]()
        if not files:
            raise DataError(
                "The parquet files are missing.",
                where=tree.place,
                found=", ".join(tree.names()[:8]) or "nothing",
                remedy="give the folder that holds them: `fer data add NAME PATH`",
            )
        for name in files:
            with _opened(tree, name) as file:
                form = _form(file, tree, name)
                rows = _read(file, form, tree.where(name), images)
                for number, row in enumerate(rows, 1):
                    line = Line(tree.where(name), number, "")
                    yield _entry(row, form, line, _usage_of(name), counts)


def _parquets(tree: RawTree) -> list[str]:
    """The file that was given, or all of the data set."""
    if tree.table:
        return [tree.table] if tree.table.lower().endswith(_ENDING) else []
    folders = ["", *(f"{name}/" for name in tree.folders())]
    folders += [f"{top}{name}/" for top in folders[1:] for name in tree.folders(top.rstrip("/"))]
    paths = (f"{folder}{name}" for folder in folders for name in tree.names(folder.rstrip("/")))
    return sorted(path for path in paths if path.lower().endswith(_ENDING) and tree.is_file(path))


@contextmanager
def _opened(tree: RawTree, name: str) -> Iterator[pq.ParquetFile]:
    """A parquet file; what pyarrow raises in the block is a DataError."""
    try:
        with tree.open(name) as stream:
            yield pq.ParquetFile(
                stream,
                pre_buffer=False,
                thrift_string_size_limit=1 << 26,
                thrift_container_size_limit=1 << 20,
            )
    except DataError:
        raise
    except _FAULTS as error:
        raise DataError(
            "A parquet file is damaged or cannot be read.",
            where=tree.where(name),
            found=str(error)[:200],
            remedy="fetch the file again",
        ) from error


def _form(file: pq.ParquetFile, tree: RawTree, name: str) -> _Form:
    """What the columns mean.

    Raises:
        DataError: no column of images, none of labels, or numbers without names.
    """
    schema = file.schema_arrow
    fields = sorted(
        (field for field in schema if _holds_images(field)),
        key=lambda field: column_word(field.name) not in _IMAGES,
    )
    rest = [field.name for field in schema if not fields or field.name != fields[0].name]
    columns = find_columns(rest)
    if not fields or columns.label is None:
        raise DataError(
            "This parquet file has no column of images or none of labels.",
            where=tree.where(name),
            found=", ".join(str(column)[:40] for column in schema.names[:20]),
            expected="a struct with bytes or path (or binary), and label, emotion, class, …",
            remedy="rename the columns",
        )
    label, words = schema.field(rest[columns.label]), None
    if pa.types.is_integer(label.type):
        words = _words(schema.metadata or {}, label.name)
        if words is None:
            raise DataError(
                "Labels are numbers, and which classes they mean is not known.",
                where=tree.where(name),
                found=f"column {label.name}, without names in the schema's metadata",
                expected="a ClassLabel feature of Hugging Face, or words",
                remedy="write the names of the classes into the column",
            )
    elif not _is_text(label.type):
        raise DataError(
            "Labels are neither words nor numbers.",
            where=tree.where(name),
            found=f"column {label.name}: {label.type}",
        )
    image = fields[0]
    has_bytes = not pa.types.is_struct(image.type) or image.type.get_field_index("bytes") >= 0
    return _Form(image.name, has_bytes, rest, columns, words)


def _holds_images(field: pa.Field) -> bool:
    if pa.types.is_struct(field.type):
        inner = {child.name: child.type for child in field.type}
        return _is_bytes(inner.get("bytes")) or _is_text(inner.get("path"))
    return _is_bytes(field.type)


def _is_bytes(kind: pa.DataType | None) -> bool:
    return kind is not None and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: pa.DataType | None) -> bool:
    while kind is not None and pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind is not None and (pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _words(metadata: dict[bytes, bytes], column: str) -> list[str] | None:
    """Names of the numbers in a column by Hugging Face's description; None where there are none."""
    try:
        described = parse_json(metadata.get(b"huggingface", b"").decode())
        names = described["info"]["features"][column]["names"]
    except (ValueError, LookupError, TypeError):
        return None
    if not isinstance(names, list) or not 0 < len(names) <= _MOST_NAMES:
        return None
    return names if all(isinstance(name, str) for name in names) else None


def _usage_of(name: str) -> str | None:
    """The split that a file's own name or its folders mean, the innermost first."""
    *folders, file = PurePosixPath(name).parts
    stem = file.rpartition(".")[0]
    return next(
        (split for word in (stem, *reversed(folders)) if (split := split_of_file(word))), None
    )


def _read(
    file: pq.ParquetFile, form: _Form, where: object, images: bool
) -> Iterator[dict[str, Any]]:
    """Rows of the columns that mean something, a few at a time.

    Raises:
        DataError: a row group is too large to be read.
    """
    wanted = [form.names[place] for place in form.columns if place is not None]
    struct = pa.types.is_struct(file.schema_arrow.field(form.image).type)
    wanted += [form.image] if images or not struct else [f"{form.image}.path"]
    if not images and not struct:
        wanted.pop()
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        if images and group.total_byte_size > _LARGEST_GROUP:
            raise DataError(
                "A row group of a parquet file is too large.",
                where=where,
                found=f"{group.total_byte_size:,} bytes",
                expected=f"at most {_LARGEST_GROUP:,}",
                remedy="write the file again with fewer rows in a group (row_group_size=100)",
            )
    for batch in file.iter_batches(_ROWS, columns=list(dict.fromkeys(wanted)), use_threads=False):
        for start in range(batch.num_rows):
            yield batch.slice(start, 1).to_pylist()[0]


def _entry(
    row: dict[str, Any], form: _Form, line: Line, usage: str | None, counts: dict[str, int]
) -> _RowEntry:
    """The face of a row.

    Args:
        usage: split that the file's name means.
        counts: rows of each split so far; changed in place.

    Raises:
        DataError: its label has no name, its split is none, or its path leaves the data set.
    """
    _, label, split_column, group = (
        None if place is None else row.get(form.names[place]) for place in form.columns
    )
    split = usage or "train"
    if split_column is not None:
        usage = str(split_column)
        split = split_of(usage) or ""
        if not split:
            raise _faulty(line, f"Unknown split {usage[:40]!r}.", "train, val or test")
    number = counts[split] = counts.get(split, -1) + 1
    image = row.get(form.image)
    inner = image if isinstance(image, dict) else {"bytes": image}
    path = str(inner.get("path") or "").replace("\\", "/")
    name = _UNSAFE.sub("_", path.rpartition("/")[2])[:100].strip(". ")
    entry = _RowEntry(
        key=f"{split}-{number:07d}" + (f"/{name}" if name else ""),
        split=split,
        usage=usage or "",
        group="" if group is None else f"subject/{str(group)[:100]}",
        data=inner.get("bytes") or b"",
        path="" if form.has_bytes else line.path(path),
        detail=str(label)[:40],
    )
    return replace(entry, **_meaning(label, form.words, line)._asdict())


def _meaning(label: object, words: list[str] | None, line: Line) -> FaceOrExclusion:
    """What a label comes to.

    Raises:
        DataError: a number without a name.
    """
    if label is None or (words is not None and label == -1):
        return FaceOrExclusion(UNLABELLED, "(no label)", "label is none of the seven classes")
    if words is None:
        return meaning_of(str(label))
    if not (isinstance(label, int) and 0 <= label < len(words)):
        raise _faulty(line, f"Label {label} has no name.", ", ".join(words)[:200])
    return meaning_of(words[label])


def _faulty(line: Line, problem: str, expected: str) -> DataError:
    return DataError(
        problem,
        where=f"{line.file}, row {line.number}",
        expected=expected,
        remedy="correct the table, or fetch it again",
    )


READER = _Parquet()
