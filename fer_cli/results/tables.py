"""The table of results of the last run, from `metrics/leaderboard.csv` and `comparison.csv`."""

import re
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
_COMPARISON = Path("metrics/comparison.csv")
_COLUMNS = ("accuracy", "macro_f1", "nll", "ece")
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
    """Markdown table of every model on a named test set, best macro-F1 first, and what the paired
    comparisons of methods show; probabilities are the calibrated ones. A method that was trained
    with several seeds is one row: mean and standard deviation.

    Raises:
        ArtifactError: there is no leaderboard, or it does not hold the set.
    """
    board = read_metrics(_LEADERBOARD)
    lines: list[dict[str, Any]] = board[board["set"] == set_name].to_dict("records")  # type: ignore[assignment]
    if not lines:
        raise ArtifactError(
            "The leaderboard does not hold this set.",
            where=_LEADERBOARD,
            found=set_name,
            remedy=_REMEDY,
        )
    table = _table("models", _by_method([line for line in lines if line["calibrated"]]))
    if _COMPARISON.exists():
        compared = read_metrics(_COMPARISON)
        compared["rising"] = compared["rising"].astype(object).fillna("")
        compared["refused"] = compared["delta_macro_f1"].isna()
        pairs = compared[compared["set"] == set_name].to_dict("records")
        table += "\n" + _table("differences", pairs) if pairs else ""
    return table + "\n" + words_section(table).replace("## Words", "In these rows:")


def method_table(lines: Sequence[dict[str, Any]]) -> str:
    """Markdown table of each method: mean over seeds and standard deviation between them.

    Args:
        lines: as `students_lines` gives them, of one set.
    """
    return _table("methods", lines)


def _by_method(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines, those of one method's seeds joined to one with `seeds`, means and, as
    `NAME_sd`, standard deviations of a sample.
    """
    import pandas as pd

    groups: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        student = re.fullmatch(r"(.+)-\d+", line["entry"]) if line["kind"] == "student" else None
        groups.setdefault(student[1] if student else line["entry"], []).append(line)
    joined = []
    for name, mine in groups.items():
        if len(mine) == 1:
            joined.append(mine[0])
            continue
        values = pd.DataFrame(mine)
        over: dict[str, Any] = {"entry": name, "kind": mine[0]["kind"], "seeds": len(mine)}
        if "overlap" in mine[0]:
            over["overlap"] = mine[0]["overlap"]
        for column in _COLUMNS:
            over |= {column: values[column].mean(), f"{column}_sd": values[column].std(ddof=1)}
        joined.append(over)
    return joined


def _table(macro: str, lines: Sequence[Any]) -> str:
    table: str = getattr(templates().get_template("tables.md.j2").module, macro)(lines)
    return table.rstrip("\n")
