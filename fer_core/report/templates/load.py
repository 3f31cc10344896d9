"""Jinja templates of pages: HTML is escaped, and a fact that is missing is an error."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateRuntimeError
from markupsafe import Markup, escape

from fer_core.base.glossary import TERMS, with_explanations

__all__ = ["explained", "number", "page_environment"]

_FOLDER = Path(__file__).parent


def page_environment(folder: Path) -> Environment:
    """Templates of a folder and the shared ones beside this module.

    A template named `*.html.j2` escapes what it is given. Filters: `num` (three decimals), `count`
    (thousands apart), `percent`, `kib`, `ci` ("0.577 to 0.622"), `words` (a key as words) and
    `explain` (terms of the glossary explained where they are used).
    """
    environment = Environment(
        loader=FileSystemLoader([folder, _FOLDER]),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        finalize=_known,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "num": number,
        "count": "{:,}".format,
        "percent": _percent,
        "kib": lambda size: f"{size / 1024:,.0f} KiB",
        "ci": lambda interval: f"{number(interval['low'])} to {number(interval['high'])}",
        "words": lambda key: key.replace("_", " "),
        "explain": explained,
    }
    environment.globals |= {
        "style": Markup((_FOLDER / "style.css").read_text(encoding="utf-8")),
        "script": Markup((_FOLDER / "sort.js").read_text(encoding="utf-8")),
        "terms": TERMS,
    }
    return environment


def number(value: float | None, digits: int = 3) -> str:
    """A score as text; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def explained(text: str) -> Markup:
    """Text in which each term of the glossary shows its explanation when it is pointed at."""
    return Markup(with_explanations(str(escape(text)), _abbreviation))


def _abbreviation(term: str, meaning: str) -> str:
    return f'<abbr title="{escape(meaning)}">{term}</abbr>'


def _known(value: Any) -> Any:
    """Refuse to print what is not known."""
    if value is None or isinstance(value, Mapping):
        raise TemplateRuntimeError(f"a page would show {value!r}")
    return value
