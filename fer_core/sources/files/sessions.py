"""The files of a session that `fer live` recorded: which folders hold one, what `session.json`
says of the video, and the frames that `per_frame.csv` lists.

What the network answered is read only where it is asked for: the label is the person's alone.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from fer_core.base.errors import DataError
from fer_core.base.files import parse_json
from fer_core.base.labels import CLASSES, INDEX, UNLABELLED
from fer_core.pixels.framing import FaceBox
from fer_core.sources.files.label_files import Line, read_lines, read_whole
from fer_core.sources.files.names import looks_like_split, split_of
from fer_core.sources.files.tree import RawTree

__all__ = [
    "FACTS",
    "ROWS",
    "Session",
    "SessionFrame",
    "read_facts",
    "read_frames",
    "sessions_in",
    "video_of",
]

ROWS, FACTS = "per_frame.csv", "session.json"
_COLUMNS = ("frame_index", "time_sec", "manual_label", "face", "x", "y", "w", "h")
_ANSWERS = tuple(f"prob_{name}" for name in CLASSES)
_LARGEST = 1_000_000_000  # of any number: more is a slip
_LARGEST_FACTS = 1 << 22  # bytes


class Session(NamedTuple):
    """A folder with a session, and the split that its name or the folder above it means."""

    folder: str
    split: str
    usage: str

    @property
    def name(self) -> str:
        """Folder in the data set; "session" where the data set is one session."""
        return self.folder or "session"

    def file(self, name: str) -> str:
        """Path of one of its files in the data set."""
        return f"{self.folder}/{name}" if self.folder else name


class SessionFrame(NamedTuple):
    """What a row says of a frame; the label is -1, box and probabilities None where there is
    none.
    """

    line: Line
    number: int
    time: float
    label: int
    box: FaceBox | None
    p: tuple[float, ...] | None = None


def sessions_in(tree: RawTree) -> Iterator[Session]:
    """The folders with sessions: the data set itself, those in it, and those in these.

    Raises:
        DataError: the name of a folder speaks of a split without saying which.
    """
    tops = tree.folders()
    inner = [f"{top}/{name}" for top in tops for name in tree.folders(top)]
    for folder in ("", *sorted([*tops, *inner])):
        base = f"{folder}/" if folder else ""
        if not (tree.is_file(f"{base}{ROWS}") and tree.is_file(f"{base}{FACTS}")):
            continue
        top = folder.partition("/")[0]
        split = split_of(top)
        if split is None and looks_like_split(top):
            raise DataError(
                "The name of a folder speaks of a split, and which one it means is not clear.",
                where=tree.where(top),
                expected="train, val or test, or a name without such words",
                remedy="rename the folder",
            )
        yield Session(folder, split or "train", top if split else "")


def read_facts(tree: RawTree, session: Session) -> dict[str, Any]:
    """What `session.json` says of the recording, nothing where none was made; and `killed`, whether
    the session was ended from outside.

    Raises:
        DataError: the file is damaged.
    """
    name = session.file(FACTS)
    try:
        facts = parse_json(read_whole(tree, name, _LARGEST_FACTS).decode())
    except ValueError as error:
        raise DataError("This file is damaged.", where=tree.where(name), found=error) from error
    recorded = facts.get("recorded") if isinstance(facts, dict) else None
    return (recorded if isinstance(recorded, dict) else {}) | {
        "killed": not (isinstance(facts, dict) and facts.get("ended"))
    }


def video_of(facts: dict[str, Any], session: Session) -> str:
    """The clean video; "" where the session has none. The page's video has frames of its own."""
    name = facts.get("video")
    plain = isinstance(name, str) and "\0" not in name and PurePosixPath(name).name == name
    return session.file(name) if isinstance(name, str) and plain else ""


def read_frames(
    tree: RawTree, session: Session, killed: bool, *, answers: bool = False
) -> Iterator[SessionFrame]:
    """One a frame, of the main face.

    Args:
        tree: the data set.
        session: one of it.
        killed: the last row may have been cut off, and is left out then.
        answers: read the network's probabilities too.

    Raises:
        DataError: a column is missing, or a row does not hold what it must; names file and line.
    """
    lines = read_lines(tree, session.file(ROWS))
    head = next(lines)
    names = [name.strip() for name in head.text.split(",")]
    wanted = (*_COLUMNS, *(_ANSWERS if answers else ()))
    if len(set(names)) != len(names) or not set(wanted) <= set(names):
        raise head.error("Columns are missing in the table of frames.", ", ".join(wanted))
    places = [names.index(name) for name in wanted]
    before = (-1, -1.0)
    line = next(lines, None)
    while line is not None:
        following = next(lines, None)
        try:
            cells = line.cells(len(names), "as many as the head has")
        except DataError:
            if killed and following is None:
                return
            raise
        frame, face = _frame(line, [cells[place] for place in places])
        if face <= 1:
            if not (frame.number > before[0] and frame.time >= before[1]):
                raise line.error("Frames are not in order of time.")
            before = (frame.number, frame.time)
            yield frame
        line = following


def _frame(line: Line, cells: list[str]) -> tuple[SessionFrame, int]:
    """What a row says, and the place of its face: 1 is the main one, 0 means none."""
    remedy = "take back what was changed by hand"
    label = UNLABELLED
    if cells[2]:
        label = line.look_up(cells[2], INDEX, "label", ", ".join(CLASSES))
    try:
        index, face, time = int(cells[0]), int(cells[3]), float(cells[1])
        sides = [int(cell) for cell in cells[4 : len(_COLUMNS)]] if face else []
        p = tuple(float(cell) for cell in cells[len(_COLUMNS) :]) if face else ()
    except ValueError as error:
        raise line.error("A cell is not a number.", ", ".join(_COLUMNS), remedy) from error
    if face < 0 or not all(abs(value) <= _LARGEST for value in (index, face, time, *sides)):
        raise line.error("A number is out of range.", f"at most {_LARGEST}", remedy)
    if face and min(sides[2:]) < 1:
        raise line.error("A box has no area.", "w and h of at least 1", remedy)
    if not all(0 <= value <= 1 for value in p):
        raise line.error("A probability is out of range.", "0 to 1", remedy)
    box = FaceBox(sides[0], sides[1], sides[2], sides[3], 1.0) if face else None
    return SessionFrame(line, index, time, label, box, p or None), face
