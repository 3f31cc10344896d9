"""The errors this project raises on purpose.

Every one says what is wrong and, where they are known, where it was found, what was found, what was
expected and what to do about it. Stages and the `fer` command show the text and exit with status 1;
anything else that escapes is a bug.
"""

import re

__all__ = [
    "ArtifactError",
    "BusyError",
    "DataError",
    "FerError",
    "GroupError",
    "ModelError",
    "ParamsError",
    "TrainingError",
    "WriteError",
]

_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class FerError(Exception):
    """A failure the user can act on.

    Args:
        problem: one sentence that says what is wrong.
        where: the file, row or key it was found in.
        found: the offending value.
        expected: what would have been right.
        remedy: what to do now, as an instruction or a command.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: object = None,
        found: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        self.problem, self.where, self.found, self.expected, self.remedy = (
            problem,
            where,
            found,
            expected,
            remedy,
        )
        labelled = [("where", where), ("found", found), ("expected", expected), ("remedy", remedy)]
        lines = [problem, *(f"  {name}: {value}" for name, value in labelled if value is not None)]
        super().__init__(printable("\n".join(lines)))


def printable(text: str) -> str:
    """Text that is safe to show: control characters, and those that turn the direction of writing,
    are written as escapes. Line ends and tabs stay.
    """
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


class ParamsError(FerError):
    """`params.yaml`, a profile or `fer.local.toml` holds an unknown key, a wrong type or a value
    out of range.
    """


class DataError(FerError):
    """Raw data or the manifest break their contract: a layout, image, label, split, group or set is
    not as it must be.
    """


class ArtifactError(FerError):
    """A file made by an earlier stage is damaged, of another schema, or was made from other
    rows.
    """


class MachineError(FerError):
    """This machine or checkout is not as a run needs it."""


class BusyError(FerError):
    """Another process holds what is needed."""


class GroupError(FerError):
    """The processes of a stage that is spread over several devices cannot find each other, lost
    one, or do not agree.
    """


class ModelError(FerError):
    """A network cannot be built, its weights do not fit, or a saved or exported model is not what
    it must be.
    """


class TrainingError(FerError):
    """Training cannot start or go on: an empty set, zero optimiser steps, a loss that is not
    finite.
    """


class WriteError(FerError):
    """A file cannot be written: the disk is full, a quota is used up, or the folder is not
    writable.
    """
