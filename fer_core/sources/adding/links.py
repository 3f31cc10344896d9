"""How a data set outside the raw folder is reached from it: by a link `raw/NAME`, of an archive
`raw/NAME.zip`.

Git ignores the raw folder, so descriptors hold no path of a machine, and nothing is copied.
`custom` is a folder of links.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fer_core.base.errors import DataError
from fer_core.pixels.picture_files import is_litter
from fer_core.sources.files.archives import archive_stem
from fer_core.sources.files.names import is_split_or_class, looks_like_split

__all__ = ["COLLECTION", "Reach", "linked", "own_links", "reach"]

COLLECTION = "custom"
"""The data set that takes any number of folders."""

_SUFFIXES = ("", ".zip", ".tar", ".tgz", ".tar.gz")


@dataclass(frozen=True)
class Reach:
    """How to come to a place from the raw folder.

    Attributes:
        root: for the descriptor: the place relative to the raw folder.
        link: the link that has to be there, or None where the place is inside the raw folder.
        target: where it leads.
    """

    root: str
    link: Path | None
    target: Path


def reach(name: str, place: Path, raw: Path) -> Reach:
    """How to come to the place of data set NAME.

    Args:
        name: of the data set.
        place: a folder, an archive, or a folder inside an archive; absolute.
        raw: the raw folder.

    Raises:
        DataError: `custom` cannot take this place.
    """
    outer, inner = _archive_and_inner(Path(os.path.normpath(place)))
    if name == COLLECTION:
        return Reach(COLLECTION, _link_in_collection(outer, inner, raw / COLLECTION), outer)
    for inside, above in ((outer, Path(os.path.normpath(raw))), (outer.resolve(), raw.resolve())):
        if inside.is_relative_to(above):
            return Reach((inside.relative_to(above) / inner).as_posix(), None, outer)
    stem = archive_stem(outer.name) if outer.is_file() else None
    suffix = "" if stem is None else outer.name[len(stem) :].lower()
    return Reach((Path(name + suffix) / inner).as_posix(), raw / f"{name}{suffix}", outer)


def _archive_and_inner(place: Path) -> tuple[Path, str]:
    """A place as what the file system knows of it, a folder or an archive, and the folder inside
    the archive or the label table in the folder, "" for none.
    """
    outer = next((above for above in (place, *place.parents) if above.is_file()), place)
    if outer.is_file() and archive_stem(outer.name) is None:
        outer = outer.parent
    inner = place.relative_to(outer).as_posix()
    return outer, "" if inner == "." else inner


def _link_in_collection(outer: Path, inner: str, collection: Path) -> Path | None:
    """The link for one more folder of `custom`.

    Raises:
        DataError: among its siblings the folder's name would be taken for a split or class or for
            another folder, or it is not at the top of its archive.
    """
    if collection.resolve() in (outer.resolve(), outer.parent.resolve()):
        return None
    stem = archive_stem(outer.name) if outer.is_file() else None
    shown = outer.name if stem is None else stem
    if is_litter(shown) or is_split_or_class(shown) or looks_like_split(shown):
        raise DataError(
            "The name of this folder would be taken for a split or class.",
            where=outer,
            found=shown,
            remedy="add the folder above it, or rename it",
        )
    if inner:
        raise DataError(
            "`custom` takes archives only whose top folder holds the class folders.",
            where=outer,
            found=inner,
            remedy="unpack it; or give it a name of its own: `fer data add NAME PATH`",
        )
    siblings = collection.iterdir() if collection.is_dir() else ()
    for other in siblings:
        if other.name != outer.name and shown in (other.name, archive_stem(other.name)):
            raise DataError(
                "`custom` holds a folder of this name already.",
                where=collection,
                found=other.name,
                remedy=f"rename {outer.name}",
            )
    return collection / outer.name


def own_links(name: str, raw: Path) -> list[Path]:
    """The links that `fer data add NAME` has made, sorted."""
    collection = raw / COLLECTION
    if name == COLLECTION and collection.is_dir() and not collection.is_symlink():
        places = list(collection.iterdir())
    else:
        places = [raw / f"{name}{suffix}" for suffix in _SUFFIXES]
    return sorted(place for place in places if place.is_symlink())


@contextmanager
def linked(name: str, reached: Reach, raw: Path) -> Iterator[list[Path]]:
    """Put the link in place, and take away what older links of the data set there are; if the block
    fails all is as before.

    Yields:
        The links that are no longer there or lead elsewhere than before.

    Raises:
        DataError: something else is in the link's place, or the system allows no links.
    """
    link, target = reached.link, reached.target.resolve()
    right = link is not None and link.is_symlink() and link.resolve() == target
    kept = reached.root.split("/")[0] if link is None or right else ""
    old = (
        {}
        if name == COLLECTION
        else {place: place.readlink() for place in own_links(name, raw) if place.name != kept}
    )
    if link is not None and not right and link not in old and (link.is_symlink() or link.exists()):
        raise DataError(
            "There is something else in the raw folder under this name.",
            where=link,
            found="a link to another folder" if link.is_symlink() else "a folder or file",
            remedy="move it away, or rename the folder that you add",
        )
    try:
        for place in old:
            place.unlink()
        if link is not None and not right:
            _make(link, target)
        yield sorted(old)
    except BaseException:
        if link is not None and not right and link.is_symlink():
            link.unlink()
        for place, led in old.items():
            place.unlink(missing_ok=True)
            place.symlink_to(led, target_is_directory=True)
        raise


def _make(link: Path, target: Path) -> None:
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError as error:
        raise DataError(
            "A link cannot be made here.",
            where=link,
            found=error,
            remedy=f"move the data set to {link}, or set FER_RAW (or `raw` in fer.local.toml) to "
            "the folder above it; then add it again",
        ) from error
