"""Long videos before their faces are cut out: which ones, and the folder that each gets.

Folders named after classes and splits are kept, as layout `folder7` reads them.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fer_core.base.errors import DataError
from fer_core.base.labels import class_index
from fer_core.pixels.picture_files import VIDEO_SUFFIXES
from fer_core.sources.files.names import is_split_or_class, split_of

__all__ = ["Clip", "Clips", "find_clips"]

_NAMELESS = "video"
_LABELS = re.compile("label|annotation", re.IGNORECASE)
"""Layout `unlabelled` leaves folders of such names to layouts with labels."""
_LONGEST = 60
_PARTS = ("no class or split", "a class", "a split and a class")


@dataclass(frozen=True)
class Clip:
    """A video, and the folder of its faces below that of all faces: `clip`, `happy/clip` or
    `train/happy/clip`.
    """

    file: Path
    folder: str

    @property
    def group(self) -> str:
        """What all its faces have in common in `subjects.csv`."""
        return self.folder.replace("/", "-")


@dataclass
class Clips:
    """The videos that were given.

    Attributes:
        clips: each once.
        renamed: videos whose folder does not have their name, which another one has or which means
            a class, a split or labels.
        repeated: videos that were given more than once.
        passed_over: files of given folders that are no videos by their names.
    """

    clips: list[Clip] = field(default_factory=list)
    renamed: list[Path] = field(default_factory=list)
    repeated: list[Path] = field(default_factory=list)
    passed_over: list[Path] = field(default_factory=list)


def find_clips(given: Iterable[Path], files_below: Callable[[Path], Iterable[Path]]) -> Clips:
    """The videos of paths to videos and to folders of videos, in that order.

    A folder named after a class above a video, and one of a split above that, are kept: for a file
    the last two folders are looked at, for one in a given folder also those below it.

    Args:
        given: the paths.
        files_below: lists the files of a folder and of those below it.

    Raises:
        DataError: a path is not there, a folder holds no video, a video lies in folders of two
            classes, or some videos lie in folders of classes and others do not.
    """
    found = Clips()
    seen: set[Path] = set()
    taken: set[str] = set()
    for file, folders in (one for path in given for one in _videos(path, files_below, found)):
        if file.resolve() in seen:
            found.repeated.append(file)
            continue
        seen.add(file.resolve())
        above, name = _kept(file, folders), _tidy(file.stem)[:_LONGEST]
        if not name or is_split_or_class(name) or _LABELS.search(name):
            name = _NAMELESS
        folder, number = above + name, 1
        while folder.casefold() in taken:
            number += 1
            folder = f"{above}{name}-{number}"
        taken.add(folder.casefold())
        found.clips.append(Clip(file, folder))
        if folder != above + _tidy(file.stem):
            found.renamed.append(file)
    _refuse_mixed(found.clips)
    return found


def _videos(
    path: Path, files_below: Callable[[Path], Iterable[Path]], found: Clips
) -> Iterable[tuple[Path, Sequence[str]]]:
    """The videos at a path, each with the folders above it that may mean something."""
    path = path.expanduser()
    above = path.absolute().parts
    if path.is_file():
        return [(path, above[-3:-1])]
    if not path.is_dir():
        raise DataError("There is no such file or folder.", where=path, expected="a video")
    inside = sorted(files_below(path))
    videos = [file for file in inside if file.suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        raise DataError(
            "There are no videos here.",
            where=path,
            found=f"{len(inside)} other files",
            expected=", ".join(sorted(VIDEO_SUFFIXES)),
        )
    found.passed_over += sorted({*inside} - {*videos})
    return [(file, (*above[-2:], *file.relative_to(path).parts[:-1])) for file in videos]


def _kept(file: Path, folders: Sequence[str]) -> str:
    """The folders of class and split that are kept, with a slash behind each."""
    places = [place for place, name in enumerate(folders) if class_index(name) is not None]
    if not places:
        return ""
    if len({class_index(folders[place]) for place in places}) > 1:
        raise DataError(
            "A video lies in folders of two classes.",
            where=file,
            found=" and ".join(folders[place] for place in places),
            expected="one class above each video",
            remedy="rename the folder that means no class",
        )
    last = places[-1]
    split = folders[last - 1] if last and split_of(folders[last - 1]) else ""
    return "".join(f"{_tidy(name)}/" for name in (split, folders[last]) if name)


def _tidy(name: str) -> str:
    """A name of letters, digits, `_` and `-`, which no table, archive or hidden file has."""
    return re.sub(r"[^\w-]+", "_", name).strip("_-")


def _refuse_mixed(clips: Sequence[Clip]) -> None:
    """Refuse videos that no single layout can hold: some faces would be left out.

    Raises:
        DataError: names one of each kind.
    """
    kinds = {clip.folder.count("/"): clip.file for clip in clips}
    if len(kinds) > 1:
        raise DataError(
            "Some videos lie in folders of a class or split, and others do not.",
            found="; ".join(f"{_PARTS[depth]}: {file}" for depth, file in sorted(kinds.items())),
            expected="{class}/VIDEO or {train,val,test}/{class}/VIDEO for all of them, or for none",
            remedy="cut them in several calls, each with an OUT of its own",
        )
