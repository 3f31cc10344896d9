"""What is written stays apart from what is read, or the next run would read it."""

from collections.abc import Sequence
from pathlib import Path

from fer_core.base.errors import DataError

__all__ = ["refuse_inside"]


def refuse_inside(given: Sequence[Path], out: Path, what: str, among: str, suffix: str) -> None:
    """Refuse a folder to write to that lies in one of the paths that are read, or is one.

    Args:
        given: paths that are read.
        out: folder to write to.
        what: would be written, such as "faces".
        among: what is read, such as "videos".
        suffix: of a folder beside them, which is proposed.

    Raises:
        DataError: it does.
    """
    here = out.expanduser().resolve()
    for there in (path.expanduser().resolve() for path in given):
        if here == there or there in here.parents:
            raise DataError(
                f"The {what} would be written among the {among}.",
                where=out,
                remedy=f"name a folder beside them, such as {there.with_name(there.stem)}{suffix}",
            )
