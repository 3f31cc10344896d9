"""What is stated of a teacher from elsewhere, as an artifact: `data/teachers/<tag>/outside` holds
`outside.json`. It stands where a trained teacher has its model.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fer_core.base.artifact import Header, new_artifact, open_artifact, read_values, write_values
from fer_core.outside.described.options import OVERLAPS, OutsideEntry, Overlap

__all__ = ["ALL_ROWS", "OUTSIDE", "OutsideTeacher", "read_outside", "worst", "write_outside"]

OUTSIDE = "outside"
"""Name of the folder."""
ALL_ROWS = "all test rows"
_KIND, _FILE = "outside/1", "outside.json"


@dataclass(frozen=True)
class OutsideTeacher:
    """A teacher that was not trained here.

    Attributes:
        tag: of the teacher.
        entry: of section `teachers`.
        sha256: of its file; its logits carry it where others carry the hash of their weights.
        views: whether the logits of training views are of each view, or, for a table without a
            column `view`, those of the evaluation view repeated.
    """

    tag: str
    entry: OutsideEntry
    sha256: str
    views: Literal["each", "evaluation"] = "each"

    @property
    def trained_on(self) -> str:
        """Its training data as stated, or "unknown"."""
        stated = self.entry.trained_on
        return stated if isinstance(stated, str) else "; ".join(stated)

    def overlap(self, sources: Collection[str], name: str | None = None) -> Overlap:
        """How much of some test rows its training data hold, as stated.

        Args:
            sources: data sets of the rows.
            name: of a named set of exactly these rows; a statement on it counts alone.
        """
        stated = self.entry.overlap
        if isinstance(stated, str):
            return stated
        if name in stated:
            return stated[name]
        return worst([stated.get(source, "unknown") for source in sources])

    def overlaps(self) -> Mapping[str, Overlap]:
        """The statement by data set or named set; by `ALL_ROWS` where it is one for all."""
        stated = self.entry.overlap
        return {ALL_ROWS: stated} if isinstance(stated, str) else stated


def worst(overlaps: Collection[Overlap]) -> Overlap:
    """The one that makes a score most doubtful; "none" of none."""
    return max(overlaps, key=OVERLAPS.index, default="none")


def write_outside(folder: Path, teacher: OutsideTeacher) -> None:
    """Write the folder in one step."""
    header = Header(_KIND, teacher.tag, made_from={"file": teacher.sha256})
    with new_artifact(folder, header) as temporary:
        write_values(temporary / _FILE, teacher)


def read_outside(folder: Path, tag: str) -> OutsideTeacher:
    """Read what is stated of a teacher.

    Raises:
        ArtifactError: missing, damaged, of another version or teacher.
    """
    open_artifact(folder, _KIND, tag)
    return read_values(folder / _FILE, OutsideTeacher)
