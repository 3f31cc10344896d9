"""`fer data`: say which raw data sets there are and where they lie.

Descriptors (`data/sources/NAME.json`) are in git and hold no path of this machine; how a folder is
reached stands in `data_links`. Nothing here turns a data set that is there into one that is not, or
into another, unless it is told to with --force.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fer_cli.data.report import (
    counts_table,
    faces_in,
    list_line,
    next_steps,
    odd_counts,
    odd_files,
    size,
    sources_listed,
)
from fer_core.base.errors import DataError
from fer_core.base.params import load_section
from fer_core.base.settings import load_settings
from fer_core.sources.adding.links import COLLECTION, linked, own_links, reach
from fer_core.sources.adding.place import Place, class_folders, find_place, packed, still_packed
from fer_core.sources.catalogue.descriptor import (
    Descriptor,
    absent,
    read_descriptor,
    scanned,
    write_descriptor,
)
from fer_core.sources.catalogue.faces import Announced
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.catalogue.registry import LAYOUTS, reader_for
from fer_core.sources.files.names import is_image
from fer_core.sources.files.tree import open_tree

__all__ = ["CLEAN", "DESCRIPTORS", "app"]

app = typer.Typer(no_args_is_help=True, help="Add, check and remove raw data sets.")

DESCRIPTORS = Path("data/sources")
CLEAN = Path("data/clean")

_LICENCE = "State the terms of this data set here."

NameArgument = Annotated[
    str, typer.Argument(help="Name of a data set, as `fer data list` shows it.")
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Do it although something would be lost.")
]


@app.command()
def add(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a known data set, or a new one of small letters, digits and _."
        ),
    ],
    path: Annotated[Path, typer.Argument(help="Its folder, archive or label table, anywhere.")],
    layout: Annotated[
        str | None, typer.Option(help="Read it as this layout instead of guessing.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Its terms of use, as text.")] = None,
    force: ForceOption = False,
) -> None:
    """Add the data set NAME that lies at PATH: check its layout, count its faces, write its
    descriptor.

    `custom` takes any number of folders: each call adds one.
    """
    before = _known(name) or _new(name)
    if layout is not None and layout not in LAYOUTS:
        remedy = "name one of them, or leave --layout out: the layout is recognised"
        raise DataError(
            "Unknown layout.",
            where="--layout",
            found=layout,
            expected=", ".join(LAYOUTS),
            remedy=remedy,
        )
    place = find_place(path, before.layout or None, layout)
    raw = load_settings().raw
    if name == COLLECTION:
        place = _part_of_collection(place, raw)
    counts = _announced(name, place)
    _refuse_another_layout(before, place, force or (layout is not None and not before.present))
    _refuse_without_faces(counts, place.path, force)
    if place.path != path.expanduser().absolute():
        typer.echo(f"found in {place.path}")
    reached = reach(name, place.path, raw)
    with linked(name, reached, raw) as gone:
        before = replace(before, licence=licence or before.licence or _LICENCE)
        after = scanned(before, raw, place.layout, reached.root)
        if name == COLLECTION:
            place = replace(place, path=raw / reached.root, tree=open_tree(raw / reached.root))
            counts = reader_for(place.layout).announce(place.tree, _options())
        file = write_descriptor(DESCRIPTORS, after)
    for link in gone:
        typer.echo(f"the link {link} led elsewhere before")
    if before.layout not in ("", after.layout):
        typer.echo(f"read as {after.layout}; {name} was {before.layout} before")
    _show(place, counts)
    typer.echo(
        f"{name}: layout {place.layout}, {faces_in(counts)} faces, {size(after)}, at "
        f"{raw / reached.root}; wrote {file}"
    )
    if after.licence == _LICENCE:
        typer.echo(f"state its terms of use in {file} (`licence`)")
    typer.echo("\n".join(next_steps(name, name in sources_listed())))


@app.command()
def refresh(
    name: Annotated[
        str | None, typer.Argument(help="One data set; all that are present if left out.")
    ] = None,
) -> None:
    """Take the raw files as they are now: scan names, sizes and label files again and rewrite the
    descriptors.
    """
    raw = load_settings().raw
    if name is not None and not _real(name).present:
        raise DataError(
            "This data set is absent: there is nothing to refresh.",
            where=_file(name),
            remedy=f"`fer data add {name} PATH`",
        )
    present = [
        before
        for before in ([_real(name)] if name else _all())
        if before.present and before.sample is None
    ]
    if not present:
        typer.echo("Nothing to refresh: no real data set is present.")
    refused = []
    for before in present:
        try:
            _refresh(before, raw)
        except DataError as error:
            if name is not None:
                raise
            refused.append(before.name)
            typer.echo(f"{before.name}: NOT refreshed: {error}", err=True)
    if refused:
        raise DataError(
            "Some data sets could not be refreshed; their descriptors are as they were.",
            found=", ".join(refused),
        )


def _refresh(before: Descriptor, raw: Path) -> None:
    assert before.root is not None
    after = scanned(before, raw, before.layout, before.root)
    place = Place(raw / before.root, open_tree(raw / before.root), before.layout)
    counts = _announced(before.name, place)
    _refuse_without_faces(counts, place.path, force=False)
    write_descriptor(DESCRIPTORS, after)
    _show(place, counts)
    typer.echo(
        f"{after.name}: {'unchanged' if after == before else 'changed'}, {faces_in(counts)} faces, "
        f"{size(after)}"
    )


@app.command("list")
def list_sets() -> None:
    """Show all data sets, whether their raw files are on this machine, and how many faces were
    cleaned.
    """
    raw = load_settings().raw
    listed = sources_listed()
    typer.echo(f"raw folder: {raw}")
    typer.echo(f"{'name':24} {'layout':15} {'state':16} {'faces':>9}  listed")
    files = sorted(DESCRIPTORS.glob("*.json"))
    for file in files:
        typer.echo(list_line(file, raw, CLEAN, file.stem in listed))
    for name in sorted(set(listed) - {file.stem for file in files}):
        typer.echo(
            f"{name:24} listed in manifest.sources, but there is no {_file(name)}: `fer data add "
            f"{name} PATH`"
        )


@app.command()
def remove(name: NameArgument, force: ForceOption = False) -> None:
    """Take a data set out: it then has no faces. Raw files are never touched; links made by `add`
    are removed.
    """
    before = _real(name)
    raw = load_settings().raw
    links = own_links(name, raw)
    if before.present and not force:
        losses = [
            f"{_file(name)}: layout {before.layout}, root {before.root}, {size(before)}",
            *(f"the link {link}" for link in links),
        ]
        if (store := CLEAN / f"{name}.arrow").exists():
            losses.append(
                f"its faces: the next run empties {store}, and what was made of them is made again "
                "without"
            )
        if name in sources_listed():
            losses.append(
                "manifest.sources lists it: the manifest stage fails until it is taken off"
            )
        raise DataError(
            "This would turn a data set that is there into an absent one.",
            where=_file(name),
            found="\n    ".join(["what would be lost:", *losses]),
            remedy=f"`fer data remove {name} --force`; raw files are not touched in any case",
        )
    for link in links:
        link.unlink()
        typer.echo(f"removed the link {link}")
    file = write_descriptor(DESCRIPTORS, absent(before))
    typer.echo(f"{name}: {'removed' if before.present else 'was absent already'}; wrote {file}")
    if name in sources_listed():
        typer.echo("manifest.sources lists it: take it off, then `fer dag sync`")


def _part_of_collection(place: Place, raw: Path) -> Place:
    """One more folder of `custom`.

    Raises:
        DataError: another layout, or no class folders in it.
    """
    if place.layout != "folder7":
        raise DataError(
            "`custom` takes folders of class folders.",
            where=place.path,
            found=f"layout {place.layout}",
            expected="layout folder7",
            remedy="give it a name of its own: `fer data add NAME PATH`",
        )
    if place.path.resolve() == (raw / COLLECTION).resolve():
        return place
    path = class_folders(place.path)
    return replace(place, path=path, tree=open_tree(path))


def _refuse_another_layout(before: Descriptor, place: Place, force: bool) -> None:
    """Names stand in params.yaml, in sample_ids and in results: what they mean must not change
    unnoticed.
    """
    if before.layout in ("", place.layout) or force:
        return
    if before.present:
        problem = "This would turn a data set that is there into one of another layout."
        remedy = (
            f"add it under a name of its own, or as it was with --layout {before.layout}, or "
            "replace the old one with --force"
        )
    else:
        problem = "The data set of this name has another layout."
        remedy = (
            f"add it under another name, or say what is meant: --layout {place.layout} or --layout "
            f"{before.layout}"
        )
    raise DataError(
        problem,
        where=place.path,
        found=f"layout {place.layout}",
        expected=f"layout {before.layout}",
        remedy=remedy,
    )


def _announced(name: str, place: Place) -> Announced:
    """Count the entries of the label files and read the first of them, so that missing pictures
    show now.

    Raises:
        DataError: a faulty label list, missing pictures, or pictures that are still packed.
    """
    reader = reader_for(place.layout)
    counts = reader.announce(place.tree, _options())
    try:
        next(iter(reader.scan(place.tree, name, _options())), None)
    except DataError as error:
        if packed(place.tree) and not any(is_image(path) for path in place.tree.walk()):
            raise still_packed(place.tree) from error
        raise
    return counts


def _refuse_without_faces(counts: Announced, where: Path, force: bool) -> None:
    if faces_in(counts) == 0 and not force:
        raise DataError(
            "There is no face here.",
            where=where,
            found="\n".join(["", *counts_table(counts)]) if counts else "no entries",
            expected="entries of the seven classes, or pictures",
            remedy="name the folders after the classes, or say with --layout what it is; --force "
            "adds it all the same",
        )


def _show(place: Place, counts: Announced) -> None:
    typer.echo("\n".join(counts_table(counts)))
    if odd := odd_counts(counts) + odd_files(
        place.path, place.tree, reader_for(place.layout).files(place.tree)
    ):
        typer.echo("\n".join(["missing or odd:", *(f"  - {text}" for text in odd)]))


def _file(name: str) -> Path:
    return DESCRIPTORS / f"{name}.json"


def _all() -> list[Descriptor]:
    return [read_descriptor(file) for file in sorted(DESCRIPTORS.glob("*.json"))]


def _known(name: str) -> Descriptor | None:
    """The descriptor of a data set that is no embedded sample, or None where there is none of this
    name.

    Raises:
        DataError: it is a sample, or the descriptor is faulty.
    """
    if not _file(name).is_file():
        return None
    descriptor = read_descriptor(_file(name))
    if descriptor.sample is not None:
        raise DataError(
            "An embedded sample can neither be added nor removed.",
            where=_file(name),
            expected=_names(),
            remedy="choose another name; to leave the sample out, take it off manifest.sources",
        )
    return descriptor


def _new(name: str) -> Descriptor:
    """A descriptor for a data set that is not known yet.

    Raises:
        DataError: no name for a data set, or this is not the project's root.
    """
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise DataError(
            "This is no name for a data set.",
            found=name,
            expected="small letters, digits and _",
            remedy=f"known ones are {_names()}",
        )
    if not DESCRIPTORS.is_dir():
        raise DataError(
            "There is no folder of descriptors.",
            where=DESCRIPTORS.absolute(),
            remedy="run from the project's root",
        )
    return Descriptor(name, name if name in LAYOUTS else "", False)


def _real(name: str) -> Descriptor:
    """The descriptor of a known data set that is no embedded sample.

    Raises:
        DataError: unknown, or a sample.
    """
    descriptor = _known(name)
    if descriptor is None:
        raise DataError(
            "There is no such data set.",
            where=DESCRIPTORS,
            found=name,
            expected=_names(),
            remedy="run from the project's root",
        )
    return descriptor


def _names() -> str:
    return ", ".join(descriptor.name for descriptor in _all() if descriptor.sample is None)


def _options() -> CleanOptions:
    return load_section("clean", CleanOptions)
