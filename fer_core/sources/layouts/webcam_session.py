"""Sessions of `fer live` that a person labelled: each folder with `per_frame.csv`, `session.json`
and the clean video is one; sessions may lie in folders of splits, else all are train.

Frames of the main face become faces, cut as `fer predict` cuts them. The label is the person's
alone: what the network answered is read only with `self_label`, for frames that nobody labelled in
sessions of the train split. All frames of a session are one group.

A self-labelled face of which only some classes are ruled out has as votes 1 for every other class;
its label, the network's answer, is what it is counted under.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import PurePosixPath
from tempfile import NamedTemporaryFile

import numpy as np

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, SELF_LABELLED, UNLABELLED
from fer_core.pixels.captures import is_picture, opened
from fer_core.pixels.framing import FaceBox, crop_face
from fer_core.pixels.opencv import cv2
from fer_core.sources.catalogue.faces import UNDECODABLE, Exclusion, Face
from fer_core.sources.catalogue.options import (
    CleanOptions,
    SelfLabelOptions,
    WebcamSessionOptions,
)
from fer_core.sources.files.sessions import (
    FACTS,
    ROWS,
    Session,
    SessionFrame,
    read_facts,
    read_frames,
    sessions_in,
    video_of,
)
from fer_core.sources.files.tree import RawTree
from fer_core.sources.images.crops import encode_crop
from fer_core.sources.reading.reader import Entry, Reader, excluded

__all__ = ["READER"]

_MOST_OF_FRAME = 1.5  # that a face may be longer than the frame
_SESSION = "(session)"


@dataclass(frozen=True, kw_only=True)
class _FrameEntry(Entry):
    """A labelled frame: its number in the video, from 0, and the box of the main face."""

    place: int = -1
    box: FaceBox | None = None


class _WebcamSession(Reader):
    layout = "webcam_session"

    def recognise(self, tree: RawTree) -> bool:
        return any(True for _ in sessions_in(tree))

    def files(self, tree: RawTree) -> list[str]:
        found = [session.file(name) for session in sessions_in(tree) for name in (ROWS, FACTS)]
        videos = (video_of(read_facts(tree, session), session) for session in sessions_in(tree))
        return [*(found or [""]), *(name for name in videos if tree.is_file(name))]

    def remarks(self, tree: RawTree, options: CleanOptions) -> list[str]:
        return [
            "each session stays in one split; if several show one person, --group-pattern keeps "
            "them together"
        ]

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[_FrameEntry]:
        """Every labelled frame, and each session that has no video or no label.

        Raises:
            DataError: no session, a folder that speaks of a split without saying which, or a table
                that was edited and does not hold what it must; names file and line.
        """
        sessions = list(sessions_in(tree))
        if not sessions:
            raise DataError(
                "The sessions are missing.",
                where=tree.place,
                expected=f"folders with {ROWS} and {FACTS}, as `fer live --record` writes them",
            )
        for session in sessions:
            yield from _entries_of(tree, session, options.webcam_session)

    def scan(self, tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
        """Every video is read once from its beginning: seeking is not exact."""
        entries = self.entries(tree, options)
        for video, of_video in groupby(entries, key=lambda entry: entry.path):
            with _pictures(tree, video, options.max_pixels) as pictures:
                at = -1
                for entry in of_video:
                    if entry.reason:
                        detail = entry.detail or entry.key
                        yield excluded(source, entry, entry.reason, detail, None)
                        continue
                    image = next(islice(pictures, entry.place - at - 1, None), None)
                    at = entry.place
                    yield _face(entry, image, source, options)


def _face(
    entry: _FrameEntry, image: np.ndarray | None, source: str, options: CleanOptions
) -> Face | Exclusion:
    if image is None:
        detail = f"{entry.path} cannot be read, or ends before frame {entry.place}"
        return excluded(source, entry, UNDECODABLE, detail, None)
    box = entry.box
    assert box is not None, entry.key
    if not _is_inside(box, image):
        reason = "webcam session: box outside the frame"
        return excluded(source, entry, reason, box, None)
    return Face(
        f"{source}/{entry.key}",
        encode_crop(crop_face(image, box), options.crops, entry.key),
        entry.label,
        entry.split,
        entry.usage,
        f"{source}/{entry.group}",
        votes=entry.votes,
        orig_image=entry.path,
        box=(box.top, box.left, box.top + box.height, box.left + box.width),
    )


def _is_inside(box: FaceBox, image: np.ndarray) -> bool:
    """Whether a box may be a detector's: its centre in the frame, and not much larger than it."""
    height, width = image.shape[:2]
    return (
        0 <= box.left + box.width / 2 <= width
        and 0 <= box.top + box.height / 2 <= height
        and max(box.width, box.height) <= _MOST_OF_FRAME * max(height, width)
    )


def _entries_of(
    tree: RawTree, session: Session, limits: WebcamSessionOptions
) -> Iterator[_FrameEntry]:
    facts = read_facts(tree, session)
    video = video_of(facts, session)
    own = limits.self_label if session.split == "train" else None
    frames = list(read_frames(tree, session, facts["killed"], answers=own is not None))
    whole = _FrameEntry(
        key=session.name, split=session.split, usage=session.usage, word=_SESSION, path=video
    )
    if not tree.is_file(video):
        yield replace(whole, reason="webcam session without a clean video (`fer live --record`)")
    elif own is None and all(frame.label < 0 for frame in frames):
        yield replace(whole, reason="webcam session without labels")
    else:
        first, last = (facts.get(name) for name in ("first_frame", "last_frame"))
        numbers = {frame.number: place for place, frame in enumerate(frames)}
        if not isinstance(first, int) or first not in numbers:
            raise DataError(
                "The video does not belong to the frames of this session.",
                where=tree.where(session.file(FACTS)),
                found=f"a video from frame {first}",
                expected=f"one of the frames in {ROWS}",
                remedy="take back what was changed by hand",
            )
        end = last if isinstance(last, int) else frames[-1].number
        reasons = _reasons(frames, range(first, end + 1), limits, own)
        for place, reason in reasons.items():
            frame = frames[place]
            if frame.label < 0 and own is not None:
                frame = frame._replace(label=_answer(frame))
                whole = replace(whole, usage=SELF_LABELLED, votes=_possible(frame, own))
            else:
                whole = replace(whole, usage=session.usage, votes=None)
            yield replace(
                whole,
                key=f"{session.name}#{frame.number}",
                label=frame.label,
                word=reason or CLASSES[frame.label],
                reason=f"webcam session: {reason}" if reason else "",
                group=session.name,
                line=frame.line,
                place=place - numbers[first],
                box=frame.box,
            )


def _answer(frame: SessionFrame) -> int:
    """The network's answer for a frame; -1 without a face."""
    return UNLABELLED if frame.p is None else int(np.argmax(frame.p))


def _possible(frame: SessionFrame, own: SelfLabelOptions) -> tuple[float, ...] | None:
    """1 for the classes that an unsure answer leaves, 0 for those it rules out; None where the
    answer is sure, or there is none.
    """
    if frame.p is None or max(frame.p) >= own.sure:
        return None
    least = np.argsort(frame.p, kind="stable")[: own.ruled_out]
    return tuple(float(index not in least) for index in range(len(CLASSES)))


def _reasons(
    frames: list[SessionFrame],
    recorded: range,
    limits: WebcamSessionOptions,
    own: SelfLabelOptions | None,
) -> dict[int, str]:
    """Place of every frame that has a label, or may get one of the network's own -> why it is left
    out, or "".
    """
    reasons: dict[int, str] = {}
    sound: dict[tuple[bool, int], list[int]] = defaultdict(list)
    before = -limits.min_gap
    for label, places in groupby(range(len(frames)), key=lambda place: frames[place].label):
        run = list(places)
        begin, end = frames[run[0]].time, frames[run[-1]].time
        for place in run if label >= 0 or own is not None else ():
            frame = frames[place]
            if min(frame.time - begin, end - frame.time) < limits.exclusion_s:
                reasons[place] = "near the begin or end of its label"
            elif frame.box is None:
                reasons[place] = "no face in the frame"
            elif frame.number not in recorded:
                reasons[place] = "frame that was not recorded"
            elif label < 0 and own is not None and max(frame.p or (0,)) < own.unsure:
                reasons[place] = "nobody labelled it, and the network is not sure"
            elif frame.number - before < limits.min_gap:
                reasons[place] = "soon after another frame"
            else:
                reasons[place], before = "", frame.number
                sound[label >= 0, label if label >= 0 else _answer(frame)].append(place)
    most = limits.max_per_class
    for of_label in sound.values():
        if len(of_label) > most:  # those that stay are spread over the session
            stay = {of_label[number * len(of_label) // most] for number in range(most)}
            reasons |= {
                place: "more frames of its class than wanted"
                for place in of_label
                if place not in stay
            }
    return reasons


@contextmanager
def _pictures(tree: RawTree, video: str, max_pixels: int) -> Iterator[Iterator[np.ndarray]]:
    """The frames of a video in order, RGB; none of one that cannot be read."""
    if not tree.is_file(video):
        yield iter(())
    elif (path := tree.where(video)).is_file():
        yield _decoded(str(path), max_pixels)
    else:  # in an archive
        with NamedTemporaryFile(suffix=PurePosixPath(video).suffix) as copy:
            with tree.open(video) as stream:
                shutil.copyfileobj(stream, copy)
            copy.flush()
            yield _decoded(copy.name, max_pixels)


def _decoded(path: str, max_pixels: int) -> Iterator[np.ndarray]:
    capture = opened(path, file=True)
    if capture is None:
        return
    try:
        sides = [
            capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        ]
        while sides[0] * sides[1] <= max_pixels:
            there, image = capture.read()
            if not there:
                break
            if is_picture(image):
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


READER = _WebcamSession()
