"""The table of results of the last run, from `metrics/leaderboard.csv` alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.base.errors import ArtifactError
from fer_core.base.glossary import words_section

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Environment

__all__ = ["compare_sets", "method_table", "model_table", "read_metrics", "templates"]

_LEADERBOARD = Path("metrics/leaderboard.csv")
_REMEDY = "run `fer run` first"


def templates() -> "Environment":
    """The Markdown templates of pages of results."""
    # every `fer` command would wait for it
    from fer_core.report.templates.load import page_environment

    return page_environment(Path(__file__).parent)


def read_metrics(path: Path) -> "pd.DataFrame":
    """A CSV file, such as those under `metrics/`.

    Raises:
        ArtifactError: it is missing.
    """
    import pandas as pd

    try:
        return pd.read_csv(path)
    except FileNotFoundError as error:
        raise ArtifactError("A metrics file is missing.", where=path, remedy=_REMEDY) from error


def compare_sets(params: dict[str, Any]) -> list[str]:
    """The sets of `evaluation.compare_set`, the main one first."""
    chosen = params["evaluation"]["compare_set"]
    return [chosen] if isinstance(chosen, str) else list(chosen)


def model_table(set_name: str) -> str:
    """Markdown table of every model on a named test set, best macro-F1 first; probabilities are the
    calibrated ones.

    Raises:
        ArtifactError: there is no leaderboard, or it does not hold the set.
    """
    board = read_metrics(_LEADERBOARD)
    lines = board[board["set"] == set_name].to_dict("records")
    if not lines:
        raise ArtifactError(
            "The leaderboard does not hold this set.",
            where=_LEADERBOARD,
            found=set_name,
            remedy=_REMEDY,
        )
    table = _table("models", lines)
    return table + "\n" + words_section(table).replace("## Words", "In these rows:")


def method_table(lines: Sequence[dict[str, Any]]) -> str:
    """Markdown table of each method: mean over seeds and standard deviation between them.

    Args:
        lines: as `students_lines` gives them, of one set.
    """
    return _table("methods", lines)


def _table(macro: str, lines: Sequence[Any]) -> str:
    table: str = getattr(templates().get_template("tables.md.j2").module, macro)(lines)
    return table.rstrip("\n")
