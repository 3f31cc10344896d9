"""A session's folder while it is being written: rows at once, so that what was written is safe."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.base.errors import BusyError, DataError, WriteError
from fer_core.base.files import harmless_cell, write_json, write_text
from fer_core.base.labels import CLASSES, INDEX
from fer_core.live.engine import Analysed
from fer_core.live.frames import Frame
from fer_core.live.specification import Specification
from fer_core.pixels.opencv import cv2

__all__ = ["FRAME_COLUMNS", "PER_FRAME", "SESSION", "UNCERTAIN", "SessionWriter"]

PER_FRAME, EVENTS, SESSION, VIDEO = "per_frame.csv", "events.csv", "session.json", "video.mkv"
UNCERTAIN = "uncertain"
FRAME_COLUMNS = (
    *("frame_index", "time_sec", "manual_label", "pred_label"),
    *(f"prob_{name}" for name in CLASSES),
    *("detector", "model", "ckpt", "track_id", "face", "x", "y", "w", "h"),
    *("raw_label", "smoothed_label"),
    *(f"p_smoothed_{name}" for name in CLASSES),
    *("detect_ms", "classify_ms", "total_ms", "dropped"),
)
_EVENT_COLUMNS = (
    *("label", "start_frame", "end_frame", "start_time_sec", "end_time_sec", "source"),
)


class SessionWriter:
    """Writes the files of one session.

    Args:
        folder: new, or empty.
        facts: what `session.json` says of model, detector, source and machine; with `model`,
            `detector` and `source`, each with a `name`.
        rules: to begin with.

    Attributes:
        manual: class index that a person gives from now on; None for none. Set it with `label`.
        recording: whether frames go to the video.

    Raises:
        DataError: the folder holds a session already, or another process writes one there.
        WriteError: the folder cannot be written.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], rules: Specification) -> None:
        self.folder, self.facts, self.rules = folder, dict(facts), rules
        self.manual: int | None = None
        self.recording = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._frames_file = os.open(
                folder / PER_FRAME, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o666
            )
        except FileExistsError as error:
            raise DataError(
                "This folder holds a session already.",
                where=folder,
                remedy="give --out a new folder",
            ) from error
        except OSError as error:
            raise self._unwritten(error) from error
        self._events_file = os.open(
            folder / EVENTS, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND, 0o666
        )
        self._video: Any = None
        self._recorded: dict[str, Any] | None = None
        self._counts = np.zeros((len(CLASSES), 3), dtype=np.int64)
        self._frames = self._events = 0
        self._began: tuple[int, float] | None = None  # of the label that is being given
        self._last = (0, 0.0)
        self._started = datetime.now().astimezone().isoformat(timespec="seconds")
        self._append(self._frames_file, [FRAME_COLUMNS])
        self._append(self._events_file, [_EVENT_COLUMNS])
        self._write_facts(ended=None)

    def label(self, label: int | None) -> None:
        """A person says what the main face shows from the next frame on."""
        if label != self.manual:
            self._end_event()
            self.manual = label

    def change_rules(self, rules: Specification) -> None:
        """Note other rules from the next frame on."""
        self.rules = rules
        self.facts.setdefault("changed_rules", []).append(
            {"frame": self._frames and self._last[0] + 1, "specification": rules.to_dict()}
        )
        self._write_facts(ended=None)

    def record(self, on: bool) -> None:
        """Begin or end the clean video; there is one a session.

        Raises:
            BusyError: the session's video has ended.
        """
        if on and not self.recording and self._recorded is not None:
            raise BusyError(
                "This session's video has ended.",
                where=self.folder / VIDEO,
                remedy="begin a new session to record again",
            )
        self.recording = on
        if not on:
            self._end_video()

    def write(self, result: Analysed) -> None:
        """Append a frame.

        Raises:
            WriteError: the disk is full or not writable; what was written stays whole.
        """
        frame = result.frame
        if self.recording:
            self._write_video(frame)
        if self.manual is not None and self._began is None:
            self._began = (frame.index, frame.time)
        self._append(self._frames_file, self._rows(result))
        self._frames += 1
        self._last = (frame.index, frame.time)
        if self.manual is not None:
            label = None if result.main is None else result.main.label
            self._counts[self.manual] += (1, label is not None, label == self.manual)

    def _rows(self, result: Analysed) -> Iterable[Sequence[object]]:
        frame, main = result.frame, result.main
        manual = "" if self.manual is None else CLASSES[self.manual]
        source = [
            harmless_cell(str(self.facts["detector"]["name"])),
            harmless_cell(str(self.facts["model"]["name"])),
            harmless_cell(str(self.facts["model"]["path"]), is_path=True),
        ]
        times = [
            "" if result.detect_ms is None else f"{result.detect_ms:.3f}",
            f"{result.classify_ms:.3f}",
            f"{result.total_ms:.3f}",
            frame.dropped,
        ]
        start = [frame.index, f"{frame.time:.6f}"]
        nothing = [""] * len(CLASSES)
        if main is None:
            yield [*start, manual, "", *nothing, *source, "", 0, "", "", "", ""] + [
                *("", "", *nothing),
                *times,
            ]
        for face in result.faces:
            label = face.name or UNCERTAIN
            yield [
                *start,
                manual if face is main else "",
                label,
                *(f"{value:.6f}" for value in face.probabilities),
                *source,
                face.track,
                face.place,
                *(face.box.left, face.box.top, face.box.width, face.box.height),
                CLASSES[face.raw],
                label,
                *(f"{value:.6f}" for value in face.smoothed),
                *times,
            ]

    def close(self, reason: str = "end of the source") -> None:
        """Write the summaries; the rows are there already."""
        if self._frames_file < 0:
            return
        self._end_event()
        self._end_video()
        for number in (self._frames_file, self._events_file):
            os.close(number)
        self._frames_file = self._events_file = -1
        write_text(self.folder / "demoresultssummary.csv", self._summary())
        write_text(self.folder / "per_class_correctness.csv", self._correctness())
        self._write_facts(ended=reason)

    def _summary(self) -> str:
        smooth = self.rules.smooth
        row = {
            "time": self._started,
            "input": harmless_cell(str(self.facts["source"]["name"]), is_path=True),
            "detector": harmless_cell(str(self.facts["detector"]["name"])),
            "ckpt": harmless_cell(str(self.facts["model"]["path"]), is_path=True),
            "model": harmless_cell(str(self.facts["model"]["name"])),
            "frames_logged": self._frames,
            "events_logged": self._events,
            "ema_alpha": smooth.alpha,
            "hysteresis_delta": smooth.delta,
            "vote_window": smooth.window,
            "vote_min_count": smooth.minimum,
        }
        return _csv([list(row), list(row.values())])

    def _correctness(self) -> str:
        head = (
            *("label", "frames_with_manual", "frames_with_manual_and_pred", "correct_frames"),
            "accuracy",
        )
        rows = [(name, *self._counts[index]) for name, index in INDEX.items()]
        rows.append(("__overall__", *self._counts.sum(axis=0)))
        return _csv([head, *((*row, f"{row[3] / row[1]:.6f}" if row[1] else "") for row in rows)])

    def _write_facts(self, ended: str | None) -> None:
        smooth = self.rules.smooth
        write_json(
            self.folder / "thresholds.json",
            {
                "ema_alpha": smooth.alpha,
                "hysteresis_delta": smooth.delta,
                "vote_window": smooth.window,
                "vote_min_count": smooth.minimum,
                "show_emo_ratio": False,
                "specification": self.rules.to_dict(),
            },
        )
        write_json(
            self.folder / SESSION,
            {
                "schema": 1,
                "started": self._started,
                "ended": ended,
                **self.facts,
                "frames": self._frames if ended else None,
                "recorded": self._recorded,
            },
        )

    def _write_video(self, frame: Frame) -> None:
        height, width = frame.image.shape[:2]
        if self._video is None:
            self._recorded = {
                "video": VIDEO,
                "first_frame": frame.index,
                "width": width,
                "height": height,
            }
            self._video = cv2.VideoWriter(
                str(self.folder / VIDEO),
                cv2.CAP_FFMPEG,
                cv2.VideoWriter.fourcc(*"mp4v"),
                30.0,
                (width, height),
            )
            if not self._video.isOpened():
                raise WriteError("The video cannot be written.", where=self.folder / VIDEO)
            self._write_facts(ended=None)
        assert self._recorded is not None
        size = (self._recorded["width"], self._recorded["height"])
        image = frame.image if (width, height) == size else cv2.resize(frame.image, size)
        self._video.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def _end_video(self) -> None:
        if self._video is not None:
            self._video.release()
            self._video = None
            assert self._recorded is not None
            self._recorded["last_frame"] = self._last[0]
        self.recording = False

    def _end_event(self) -> None:
        if self.manual is not None and self._began is not None:
            (first, begin), (last, end) = self._began, self._last
            row = (CLASSES[self.manual], first, last, f"{begin:.6f}", f"{end:.6f}", "manual")
            self._append(self._events_file, [row])
            self._events += 1
        self._began = None

    def _append(self, number: int, rows: Iterable[Sequence[object]]) -> None:
        data = _csv(rows).encode()
        try:
            while data:
                data = data[os.write(number, data) :]
        except OSError as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> WriteError:
        return WriteError(
            "The session cannot be written further; what was written before stays and can be "
            "scored.",
            where=self.folder,
            found=error,
            remedy="free disk space or give --out a folder that is writable",
        )


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
