"""The header of an artifact: what it is, what it holds and what it was made from.

Every folder that a stage makes for other stages holds `header.json`, written last. Its reader
compares all of it: the kind and version of the format, the class order, whose artifact it is, the
rows that it is of, and the hash of every file. A flipped bit, a file of another run, another
network's numbers under this one's key or rows in another order are errors that name the file.

Hashes are XXH3 of 128 bits: they find accidents at the speed of memory, and are no signatures.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import xxhash
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from fer_core.base.errors import ArtifactError
from fer_core.base.files import new_folder, read_json, write_json
from fer_core.base.labels import CLASSES, check_class_order

__all__ = [
    "HEADER_FILE",
    "REMAKE",
    "Header",
    "check_header",
    "hash_bytes",
    "hash_file",
    "new_artifact",
    "object_with",
    "open_artifact",
    "parse_values",
    "read_plain",
    "read_values",
    "write_values",
]

HEADER_FILE = "header.json"
REMAKE = "run `fer run` (or `dvc repro`) to make it again"
_BLOCK = 1 << 20

Model = TypeVar("Model")


@dataclass(frozen=True)
class Header:
    """What an artifact is.

    Attributes:
        kind: name and version of the format, "logits/5".
        key: whose it is: a data set, teacher or student; "" where the pipeline has only one.
        rows: number of rows that it is of; None where it has none.
        rows_sha256: hash of the `rows.parquet` of those rows; None where it has none.
        made_from: name -> hash of what it was made from: weights, soft labels, preprocessing, …
        files: name -> hash of every file beside the header.
        classes: in the order of all arrays and numbers.
    """

    kind: str
    key: str = ""
    rows: int | None = None
    rows_sha256: str | None = None
    made_from: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = CLASSES


@contextmanager
def new_artifact(folder: Path, header: Header) -> Iterator[Path]:
    """Yield an empty temporary folder; when the block ends well it becomes `folder` in one step.

    Args:
        folder: the artifact.
        header: all but `files`, which is filled in from what the block wrote.

    Raises:
        WriteError: the disk is full or not writable.
    """
    with new_folder(folder) as temporary:
        yield temporary
        paths = sorted(path for path in temporary.rglob("*") if path.is_file())
        files = {path.relative_to(temporary).as_posix(): hash_file(path) for path in paths}
        write_json(temporary / HEADER_FILE, asdict(replace(header, files=files)))


def open_artifact(folder: Path, kind: str, key: str | None = None) -> Header:
    """Read the header of an artifact and compare everything that it says.

    Args:
        folder: the artifact.
        kind: that it must be.
        key: whose it must be; None where that does not matter.

    Raises:
        ArtifactError: missing, of an older or another kind, of another key or class order, or a
            file is missing, added or changed.
    """
    file = folder / HEADER_FILE
    if folder.is_dir() and not file.exists():
        raise ArtifactError(
            "This artifact has no header: it is of an older version, or unfinished.",
            where=folder,
            remedy=REMAKE,
        )
    header = read_values(file, Header)
    check_header(header, kind, key, folder)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if added := sorted(found - {*header.files, HEADER_FILE}):
        raise ArtifactError(
            "A file was added to this artifact.", where=folder, found=added, remedy=REMAKE
        )
    for name, expected in header.files.items():
        if (changed := hash_file(folder / name)) != expected:
            raise ArtifactError(
                "A file of this artifact was changed.",
                where=folder / name,
                found=changed,
                expected=expected,
                remedy=REMAKE,
            )
    return header


def check_header(header: Header, kind: str, key: str | None, where: object) -> None:
    """Compare kind, class order and key.

    Raises:
        ArtifactError: one of them is another.
    """
    if header.kind != kind:
        raise ArtifactError(
            "This artifact is of another kind or version.",
            where=where,
            found=header.kind,
            expected=kind,
            remedy=REMAKE,
        )
    check_class_order(header.classes, where)
    if key is not None and header.key != key:
        raise ArtifactError(
            "This artifact is another's.",
            where=where,
            found=header.key,
            expected=key,
            remedy=REMAKE,
        )


def read_values(path: Path, model: type[Model]) -> Model:
    """Read a JSON file as a value of a dataclass or any annotated type.

    Raises:
        ArtifactError: missing, not JSON, or a key is missing or of another type.
    """
    return parse_values(read_json(path), model, path)


def read_plain(path: Path, model: Any) -> Any:
    """Read a JSON file as it is, after a check that it fits a dataclass or annotated type.

    Raises:
        ArtifactError: missing, not JSON, or a key is missing or of another type.
    """
    values = read_json(path)
    parse_values(values, model, path)
    return values


def object_with(keys: Mapping[str, Any]) -> Any:
    """Type of a JSON object that holds at least these keys, each with a value of its type."""
    return TypedDict("Object", dict(keys))  # type: ignore[operator]


def write_values(path: Path, value: Any) -> None:
    """Write a dataclass as JSON, so that `read_values` gives it back."""
    write_json(path, TypeAdapter(type(value)).dump_python(value, mode="json"))


def parse_values(values: Any, model: type[Model], where: object) -> Model:
    """Check plain values against a dataclass or any annotated type; `where` names their place.

    Raises:
        ArtifactError: a key is missing or of another type.
    """
    try:
        return TypeAdapter(model).validate_python(values)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ArtifactError(
            "The keys of this file do not fit.",
            where=where,
            found="; ".join(faults[:5]),
            remedy=REMAKE,
        ) from error


def hash_bytes(data: Any) -> str:
    """Hexadecimal XXH3 (128 bits) of anything with the buffer protocol."""
    return xxhash.xxh3_128(data).hexdigest()


def hash_file(path: Path) -> str:
    """Hexadecimal XXH3 (128 bits) of a file's bytes.

    Raises:
        ArtifactError: the file is missing or cannot be read.
    """
    digest = xxhash.xxh3_128()
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except FileNotFoundError as error:
        raise ArtifactError("A file is missing.", where=path, remedy=REMAKE) from error
    except OSError as error:
        raise ArtifactError(
            "A file cannot be read.", where=path, found=error, remedy=REMAKE
        ) from error
    return digest.hexdigest()
