"""What a student's loss learns from beside the labels; free of torch, so that the pipeline can ask
before anything runs.
"""

from enum import Enum

__all__ = ["Needs"]


class Needs(Enum):
    """Targets of a loss.

    Attributes:
        NONE: labels alone.
        FUSED: the soft labels, logits of the fused teachers.
        EACH_TEACHER: the logits of each teacher.
        VOTES: how people voted on the picture.
    """

    NONE = "none"
    FUSED = "fused"
    EACH_TEACHER = "each teacher"
    VOTES = "votes"

    @property
    def of_teachers(self) -> bool:
        """Whether the targets come from the stage `softlabels`."""
        return self in (Needs.FUSED, Needs.EACH_TEACHER)
