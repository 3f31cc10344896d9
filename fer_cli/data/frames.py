"""`fer data frames`: the faces of long videos, as a data set to be added."""

import csv
import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from fer_cli.data.cutting import (
    SHEET,
    TILES,
    DetectorOption,
    Grid,
    MarginOption,
    Page,
    SeveralOption,
    SideOption,
    first_of,
    refuse_out,
)
from fer_cli.predict.inputs import files_below
from fer_cli.predict.video_file import shown_frames
from fer_core.base.errors import DataError
from fer_core.base.files import new_folder, write_text
from fer_core.live.sources import VideoSource
from fer_core.predict.detection import MARGIN, YuNet
from fer_core.predict.fetching import detector_file
from fer_core.sources.cropping.clips import Clip, Clips, find_clips
from fer_core.sources.cropping.cropping import CropWishes, Several
from fer_core.sources.cropping.videos import Cutter, VideoFaces, cut_video, write_info
from fer_core.sources.files.subjects import SUBJECTS

__all__ = ["frames"]

_INFO = "info.csv"
_MOST_TILES = 24
_NOTE = (
    "info.csv beside this page lists all videos. Of a video without a cut face its first frame is "
    "shown."
)


def frames(
    out: Annotated[
        Path, typer.Argument(help="New folder for the faces, their groups, a table and a sheet.")
    ],
    videos: Annotated[
        list[Path],
        typer.Argument(help="Videos, or folders of videos; also in one folder a class."),
    ],
    every: Annotated[
        float, typer.Option(min=0.001, help="Seconds between frames that are looked at.")
    ] = 1.0,
    several: SeveralOption = Several.all,
    margin: MarginOption = MARGIN,
    side: SideOption = CropWishes.side,
    detector: DetectorOption = None,
) -> None:
    """Take a frame of each video every few seconds, find the faces and cut them out.

    OUT gets OUT/VIDEO/MILLISECONDS_NUMBER.png, below the folder of a class (and split) where the
    videos lie in such folders; `subjects.csv`, which keeps the faces of a video together; a line
    for each video (`info.csv`); and a page that shows what was found (`sheet.html`).
    """
    refuse_out(videos, out, "videos")
    clips = find_clips(videos, files_below)
    yunet = YuNet(detector or detector_file())
    found = []
    with new_folder(out.expanduser().absolute()) as folder:
        with (folder / SUBJECTS).open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream, lineterminator="\n")
            table.writerow(["file", "subject"])
            most = min(max(TILES // len(clips.clips), 1), _MOST_TILES)
            wishes = CropWishes(several, margin, side)
            cutter = Cutter(folder, yunet, wishes, table.writerow, most)
            found += [_of_video(clip, every, cutter) for clip in clips.clips]
        write_info(folder / _INFO, found)
        total = sum(one.cut for one in found)
        page = Page(_title(videos), total, f"{len(found):,} videos", _NOTE)
        write_text(folder / SHEET, page.html(_grids(found)))
    _report(found, clips, several, out)
    if not total:
        raise DataError(
            "No face was cut out of any video.",
            where=_title(videos),
            found=f"{len(found)} videos; {out / _INFO} says what became of them",
            remedy="`--faces largest` takes frames of several people"
            if any(one.found for one in found)
            else "use videos in which faces are seen from the front and are 10 pixels or larger, "
            "and look at more frames (`--every`)",
        )
    typer.echo(f"look at {out / SHEET}; then `fer data add NAME {shlex.quote(str(out))}`")


def _title(videos: Sequence[Path]) -> str:
    return first_of([str(video) for video in videos], _INFO)


def _of_video(clip: Clip, every: float, cutter: Cutter) -> VideoFaces:
    """What was found in a video; one that cannot be read, or not to its end, says so."""
    try:
        source = VideoSource(clip.file)
        with closing(shown_frames(source, clip.file.name)) as shown:
            done = cut_video(clip, ((one.time, one.image) for one in shown), every, cutter)
    except DataError as error:
        return VideoFaces(clip, fault=error.problem)
    # containers state a number that may be off by a few frames
    lacking = (source.count or 0) - done.frames
    if lacking > max(source.rate or 0, done.frames / 50):
        done.fault = f"{lacking} of {source.count} frames could not be read"
    return done


def _report(found: Sequence[VideoFaces], clips: Clips, several: Several, out: Path) -> None:
    """Say what became of the videos, with counts and the first names."""
    total, looked_at = (sum(getattr(one, name) for one in found) for name in ("cut", "looked_at"))
    typer.echo(f"{total} faces of {looked_at} frames of {len(found)} videos, in {out}")
    labels = Counter(one.clip.folder.rpartition("/")[0] for one in found)
    known = [f"{count} of {label}" for label, count in sorted(labels.items()) if label]
    typer.echo(f"       labels by folder: {', '.join(known) or 'none, so the set is unlabelled'}")
    by_words = {
        "with a face": [one for one in found if one.found],
        "without a face": [one for one in found if one.looked_at and not one.found],
        "could not be read": [one for one in found if not one.looked_at],
        "not read to the end": [one for one in found if one.looked_at and one.fault],
    }
    named = {text: [one.clip.file for one in some] for text, some in by_words.items()}
    named["given more than once, and read once"] = clips.repeated
    named["in a folder of another name, because theirs is taken or means something"] = clips.renamed
    for text, files in named.items():
        names = "" if text == "with a face" else f": {first_of([*map(str, files)], _INFO)}"
        if files:
            typer.echo(f"{len(files):6} {text}{names}")
    if clips.passed_over:
        names = first_of([*map(str, clips.passed_over)], "the folders given")
        typer.echo(f"{len(clips.passed_over):6} files are no videos: {names}")
    if lost := sum(one.found - one.cut for one in found):
        typer.echo(f"{lost:6} faces left out, of frames with several (--faces {several})")


def _grids(found: Sequence[VideoFaces]) -> list[Grid]:
    """What is shown of each video that could be read."""
    grids: list[Grid] = []
    left = TILES
    for one in found:
        tiles = one.tiles[:left]
        left -= len(tiles)
        words = "" if one.cut else one.words
        if tiles:
            title = f"{one.clip.folder}: {one.cut:,} faces of {one.looked_at:,} frames"
            shown = [(one.clip.file.name, tile, words) for tile in tiles]
            grids.append((title, shown, max(one.cut, len(tiles))))
    return grids
