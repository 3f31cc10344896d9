"""What sources of moving pictures give."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["Frame", "Source"]


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        index: from 0, of the pictures that the source gave.
        time: seconds since the first.
        image: RGB, uint8 [H, W, 3].
        dropped: pictures since the one before that nobody took or that could not be read.
    """

    index: int
    time: float
    image: np.ndarray
    dropped: int = 0


class Source(ABC):
    """What gives frames.

    Attributes:
        kind: camera, stream, video or folder.
        name: as it was given.
        waits: False where frames come whether anyone takes them or not.
        count: number of frames, where it is known.
        rate: frames a second, where it is known.
    """

    kind: str
    name: str
    waits: bool
    count: int | None = None
    rate: float | None = None

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Every frame once.

        Raises:
            DataError: nothing can be read, or a camera went away.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of camera or file; `frames` then ends."""
