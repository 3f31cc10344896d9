"""`fer data`: say which raw data sets there are and where they lie.

Descriptors (`data/sources/NAME.json`) are in git and hold no path of this machine. A folder outside the raw folder is reached
by a link `raw/NAME`, which git ignores: any folder can be added, nothing is copied.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from fer_core.errors import DataError
from fer_core.labels import CLASSES
from fer_core.params import load_section
from fer_core.settings import load_settings
from fer_core.sources.descriptor import Descriptor, absent, checked_tree, read_descriptor, scanned, write_descriptor
from fer_core.sources.faces import SPLITS, Announced
from fer_core.sources.folder7 import is_split_or_class
from fer_core.sources.options import CleanOptions
from fer_core.sources.registry import reader_for, recognise
from fer_core.sources.tree import is_litter, open_tree

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Add, check and remove raw data sets.")

DESCRIPTORS = Path("data/sources")
_COLLECTION = "custom"

NameArgument = Annotated[str, typer.Argument(help="Name of a data set, as `fer data list` shows it.")]


@app.command()
def add(
    name: NameArgument,
    path: Annotated[Path, typer.Argument(help="Its folder, anywhere, or its label table.")],
    layout: Annotated[str | None, typer.Option(help="Read it as this layout instead of guessing.")] = None,
) -> None:
    """Add the data set NAME that lies at PATH: check its layout, count its faces, write its descriptor.

    `custom` takes any number of folders: each call adds one.
    """
    before = _real(name)
    folder = _folder_of(path)
    if layout is not None:
        reader_for(layout)
    tree = open_tree(folder)
    chosen = layout or recognise(tree, preferred=before.layout)
    if name == _COLLECTION and chosen != "folder7":
        raise DataError("`custom` takes folders of class folders.", where=folder, found=f"layout {chosen}", expected="layout folder7")
    counts = reader_for(chosen).announce(tree, _options())  # a faulty label list is refused before anything is written
    raw = load_settings().raw
    link, root = _reach(name, folder, raw)
    if link is not None:
        _make_link(link, folder, raw)
    after = scanned(before, raw, chosen, root)
    file = write_descriptor(DESCRIPTORS, after)
    _show_counts(counts)
    typer.echo(f"{name}: layout {chosen}, {_size(after)}, at {raw / root}; wrote {file}")
    typer.echo("Next: `fer run`")


@app.command()
def refresh(name: Annotated[str | None, typer.Argument(help="One data set; all that are present if left out.")] = None) -> None:
    """Take the raw files as they are now: scan names and sizes again and rewrite the descriptors."""
    raw = load_settings().raw
    present = [before for before in ([_real(name)] if name else _all()) if before.present and before.sample is None]
    if not present:
        typer.echo("Nothing to refresh: no real data set is present.")
    for before in present:
        assert before.root is not None
        after = scanned(before, raw, before.layout, before.root)
        counts = reader_for(after.layout).announce(open_tree(raw / before.root), _options())
        write_descriptor(DESCRIPTORS, after)
        _show_counts(counts)
        typer.echo(f"{after.name}: {'unchanged' if after == before else 'changed'}, {_size(after)}")


@app.command("list")
def list_sets() -> None:
    """Show all data sets and whether their raw files are on this machine."""
    raw = load_settings().raw
    typer.echo(f"raw folder: {raw}")
    for descriptor in _all():
        typer.echo(f"{descriptor.name:16} {descriptor.layout:12} {_state(descriptor, raw)}")


@app.command()
def remove(name: NameArgument) -> None:
    """Take a data set out: it then has no faces. Raw files are never touched; a link made by `add` is removed."""
    before = _real(name)
    raw = load_settings().raw
    place = raw / name
    links = sorted(place.iterdir()) if name == _COLLECTION and place.is_dir() and not place.is_symlink() else [place]
    for link in links:
        if link.is_symlink():
            link.unlink()
            typer.echo(f"removed the link {link}")
    file = write_descriptor(DESCRIPTORS, absent(before))
    typer.echo(f"{name}: {'removed' if before.present else 'was absent already'}; wrote {file}")


def _all() -> list[Descriptor]:
    return [read_descriptor(file) for file in sorted(DESCRIPTORS.glob("*.json"))]


def _real(name: str) -> Descriptor:
    """The descriptor of a known data set that is no embedded sample.

    Raises:
        DataError: unknown, or a sample.
    """
    known = [descriptor for descriptor in _all() if descriptor.sample is None]
    for descriptor in known:
        if descriptor.name == name:
            return descriptor
    raise DataError(
        "This is no data set that can be added or removed.",
        where=DESCRIPTORS,
        found=name,
        expected=", ".join(descriptor.name for descriptor in known),
        remedy="use `custom` for folders of your own; run from the project's root",
    )


def _folder_of(path: Path) -> Path:
    """The folder a path means: itself, or that of a file.

    Raises:
        DataError: nothing is there.
    """
    path = path.expanduser().absolute()
    if path.is_file():
        return path.parent
    if not path.is_dir():
        raise DataError("There is nothing at this path.", where=path, remedy="give the folder that holds the data set")
    return path


def _reach(name: str, folder: Path, raw: Path) -> tuple[Path | None, str]:
    """The link that is needed to reach a folder from the raw folder, or None; and the root for the descriptor."""
    if name == _COLLECTION:
        return _reach_in_collection(folder, raw / _COLLECTION), _COLLECTION
    for inside, above in ((Path(os.path.normpath(folder)), Path(os.path.normpath(raw))), (folder.resolve(), raw.resolve())):
        if inside.is_relative_to(above):
            return None, inside.relative_to(above).as_posix()
    return raw / name, name


def _reach_in_collection(folder: Path, collection: Path) -> Path | None:
    """The link for one more folder of `custom`.

    Raises:
        DataError: among its siblings the folder's name would be taken for a split or class.
    """
    if folder.resolve() == collection.resolve():
        return None
    if is_litter(folder.name) or is_split_or_class(folder.name):
        raise DataError(
            "The name of this folder would be taken for a split or class.",
            where=folder,
            found=folder.name,
            remedy="add the folder above it, or rename it",
        )
    return collection / folder.name


def _make_link(link: Path, folder: Path, raw: Path) -> None:
    """Make `link` lead to `folder`; a link that is there already is replaced.

    Raises:
        DataError: something else is in its place, or the system allows no links.
    """
    if link.is_symlink() and link.resolve() == folder.resolve():
        return
    if link.is_symlink() and link.parent == raw:
        typer.echo(f"{link} led to {link.readlink()}; it now leads to {folder}")
        link.unlink()
    if link.is_symlink() or link.exists():
        raise DataError(
            "There is something else in the raw folder under this name.",
            where=link,
            found="a link to another folder" if link.is_symlink() else "a folder or file",
            remedy="move it away, or rename the folder that you add",
        )
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder.resolve(), target_is_directory=True)
    except OSError as error:
        raise DataError(
            "A link cannot be made here.",
            where=link,
            found=error,
            remedy=f"move the data set to {link}, or set FER_RAW (or `raw` in fer.local.toml) to the folder above it; then add it again",
        ) from error


def _options() -> CleanOptions:
    return load_section("clean", CleanOptions)


def _state(descriptor: Descriptor, raw: Path) -> str:
    if descriptor.sample is not None:
        return "embedded sample"
    if not descriptor.present or descriptor.root is None:
        return f"absent            (`fer data add {descriptor.name} PATH`)"
    try:
        checked_tree(descriptor, raw)
    except DataError as error:
        return f"NOT USABLE HERE   {error.problem}"
    return f"present           {_size(descriptor)}"


def _size(descriptor: Descriptor) -> str:
    return f"{descriptor.tree.files} files, {descriptor.tree.bytes / 1e6:.1f} MB" if descriptor.tree else "no files"


def _show_counts(counts: Announced) -> None:
    """A table of classes (and of what is none of them) by split."""
    splits = [split for split in SPLITS if split in counts]
    others = sorted({word for words in counts.values() for word in words} - set(CLASSES))
    typer.echo(" ".join([f"{'':24}", *(f"{split:>8}" for split in splits)]))
    for word in [*CLASSES, *others]:
        label = word if word in CLASSES else f"{word} (left out)"
        typer.echo(" ".join([f"{label:24}", *(f"{counts[split].get(word, 0):8}" for split in splits)]))
    typer.echo(" ".join([f"{'total':24}", *(f"{sum(counts[split].values()):8}" for split in splits)]))
