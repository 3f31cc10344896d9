"""`fer data`: say which raw data sets there are and where they lie."""

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from fer_cli.data.crop import crop
from fer_cli.data.doubts import doubts
from fer_cli.data.forget import forget
from fer_cli.data.frames import frames
from fer_cli.data.report import counts_table, list_line, next_steps, size
from fer_cli.data.yolo import yolo
from fer_core.base.errors import DataError
from fer_core.base.files import write_text
from fer_core.base.labels import CLASSES
from fer_core.base.params import PARAMS_FILE, Params, read_params
from fer_core.base.settings import load_settings
from fer_core.pipeline.schema.comments import with_absent
from fer_core.sources.adding.changes import LICENCE, Added, Descriptors, Wishes, listed_sources
from fer_core.sources.adding.findings import faces_in, lacking, odd_counts, odd_files, others_in
from fer_core.sources.adding.links import COLLECTION, own_links
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.catalogue.registry import reader_for

__all__ = ["CLEAN", "DESCRIPTORS", "app"]

app = typer.Typer(no_args_is_help=True, help="Add, check and remove raw data sets.")

app.command()(crop)
app.command()(doubts)
app.command()(forget)
app.command()(frames)
app.command()(yolo)

DESCRIPTORS = Path("data/sources")
CLEAN = Path("data/clean")

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
    group_pattern: Annotated[
        str | None,
        typer.Option(
            help="A regular expression that finds the person in a picture's path, such as "
            "'^(.+)_[0-9]+': pictures of one person then stay in one split. '' takes it back."
        ),
    ] = None,
    absent: Annotated[
        bool,
        typer.Option(
            "--absent",
            help="Classes without a face here are meant to be missing: params.yaml gets them as "
            "labels.absent.",
        ),
    ] = False,
    force: ForceOption = False,
) -> None:
    """Add the data set NAME that lies at PATH: check its layout, count its faces, write its
    descriptor.

    `custom` takes any number of folders: each call adds one.
    """
    sets = _descriptors()
    done = sets.add(name, path, Wishes(layout, licence, group_pattern, force))
    if done.found != path.expanduser().absolute():
        typer.echo(f"found in {done.found}")
    for link in done.gone:
        typer.echo(f"the link {link} led elsewhere before")
    if done.before.layout not in ("", done.after.layout):
        typer.echo(f"read as {done.after.layout}; {name} was {done.before.layout} before")
    _show(done)
    typer.echo(
        f"{name}: layout {done.place.layout}, {faces_in(done.counts)} faces, {size(done.after)}, "
        f"at {sets.raw / str(done.after.root)}; wrote {sets.file(name)}"
    )
    if name == COLLECTION and (others := _beside(done.found, sets.raw)):
        typer.echo(f"{name} has these folders, too: {', '.join(others)}")
    if done.after.licence == LICENCE:
        typer.echo(f"state its terms of use in {sets.file(name)} (`licence`)")
    _refuse_misspelt(done, absent)
    _settle_absent(lacking(done.counts), absent)
    typer.echo("\n".join(next_steps(name, name in _listed())))


def _beside(found: Path, raw: Path) -> list[str]:
    """Where the folders of the collection lie that were added before this one."""
    links = [link.resolve() for link in own_links(COLLECTION, raw)]
    return [str(place) for place in links if place != found.resolve()]


def _refuse_misspelt(done: Added, meant: bool) -> None:
    """Raises:
    DataError: --absent, and faces were left out whose word is nearly a class that nobody has.
    """
    if not meant:
        return
    lower = {name.lower(): name for name in lacking(done.counts)}
    for word in others_in(done.counts):
        if near := get_close_matches(word.lower(), lower, n=1, cutoff=0.7):
            raise DataError(
                "A class that would be declared absent has faces under a word that is no class.",
                where=done.place.path,
                found=word,
                expected=lower[near[0]],
                remedy=f"if {lower[near[0]]} is meant, rename it and add the data set again; else "
                "take it out of the folder",
            )


def _settle_absent(names: list[str], meant: bool) -> None:
    """Declare classes that nobody has, if that is meant."""
    text = PARAMS_FILE.read_text(encoding="utf-8")
    known = (read_params().get("labels") or {}).get("absent", [])
    new = [name for name in names if name not in known]
    if not new or len(known) + len(new) > len(CLASSES) - 2:
        return  # one class alone, which `odd_counts` tells of, is nothing to choose from
    if not meant and sys.stdin.isatty():
        meant = typer.confirm(f"Nobody here has {', '.join(new)}. Shall a network never answer it?")
    if not meant:
        typer.echo(
            f"if no data set has {', '.join(new)}: `labels: {{absent: [{', '.join(names)}]}}` in "
            f"{PARAMS_FILE} (or --absent) lets the gate pass"
        )
        return
    write_text(PARAMS_FILE, with_absent(text, [*known, *new]))
    typer.echo(f"labels.absent of {PARAMS_FILE} now has {', '.join(new)}; never answered")


@app.command()
def refresh(
    name: Annotated[
        str | None, typer.Argument(help="One data set; all that are present if left out.")
    ] = None,
) -> None:
    """Take the raw files as they are now: scan names, sizes and label files again and rewrite the
    descriptors.
    """
    sets = _descriptors()
    present = sets.present(name)
    if not present:
        typer.echo("Nothing to refresh: no real data set is present.")
    refused = []
    for before in present:
        try:
            done = sets.refresh(before)
        except DataError as error:
            if name is not None:
                raise
            refused.append(before.name)
            typer.echo(f"{before.name}: NOT refreshed: {error}", err=True)
            continue
        _show(done)
        state = "unchanged" if done.after == before else "changed"
        typer.echo(f"{before.name}: {state}, {faces_in(done.counts)} faces, {size(done.after)}")
    if refused:
        raise DataError(
            "Some data sets could not be refreshed; their descriptors are as they were.",
            found=", ".join(refused),
        )


@app.command("list")
def list_sets() -> None:
    """Show all data sets, whether their raw files are on this machine, and how many faces were
    cleaned.
    """
    raw, listed = load_settings().raw, _listed()
    typer.echo(f"raw folder: {raw}")
    typer.echo(f"{'name':24} {'layout':15} {'state':16} {'faces':>9}  listed")
    files = sorted(DESCRIPTORS.glob("*.json"))
    for file in files:
        typer.echo(list_line(file, raw, CLEAN, file.stem in listed))
    for name in sorted(set(listed) - {file.stem for file in files}):
        typer.echo(
            f"{name:24} listed in manifest.sources, but there is no {DESCRIPTORS / name}.json: "
            f"`fer data add {name} PATH`"
        )


@app.command()
def remove(name: NameArgument, force: ForceOption = False) -> None:
    """Take a data set out: it then has no faces. Raw files are never touched; links made by `add`
    are removed.
    """
    sets, listed = _descriptors(), name in _listed()
    before = sets.real(name)
    if before.present and not force:
        losses = ["what would be lost:", *sets.losses(before, CLEAN, listed)]
        raise DataError(
            "This would turn a data set that is there into an absent one.",
            where=sets.file(name),
            found="\n    ".join(losses),
            remedy=f"`fer data remove {name} --force`; raw files are not touched in any case",
        )
    for link in sets.remove(before):
        typer.echo(f"removed the link {link}")
    state = "removed" if before.present else "was absent already"
    typer.echo(f"{name}: {state}; wrote {sets.file(name)}")
    if listed:
        typer.echo("manifest.sources lists it: take it off, then `fer dag sync`")


def _show(done: Added) -> None:
    typer.echo("\n".join(counts_table(done.counts)))
    place = done.place
    read = reader_for(place.layout).files(place.tree)
    odd = [*done.remarks, *odd_counts(done.counts), *odd_files(place.path, place.tree, read)]
    if odd:
        typer.echo("\n".join(["missing or odd:", *(f"  - {text}" for text in odd)]))


def _descriptors() -> Descriptors:
    options: CleanOptions = Params.load().section("clean", CleanOptions)
    return Descriptors(DESCRIPTORS, load_settings().raw, options)


def _listed() -> list[str]:
    return listed_sources(read_params())
