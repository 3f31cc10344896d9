"""HTML and SVG as strings that are safe by construction: text is escaped unless it is `Markup`
already.
"""

from collections.abc import Iterable, Sequence
from html import escape

__all__ = [
    "Markup",
    "document",
    "heat_cell",
    "join",
    "legend",
    "section",
    "table",
    "tag",
    "two_lines",
]


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


_VOID = ("meta", "br", "img")
_FLUSH_RIGHT = ('<td class="number"', '<td class="heat')


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element; `class_` becomes `class` and `stroke_width` `stroke-width`. None and False
    children and attributes are left out.
    """
    pairs = [
        (key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None and value is not False
    ]
    head = "".join(f' {key}="{escape(str(value), quote=True)}"' for key, value in pairs)
    if not children and name in _VOID:
        return Markup(f"<{name}{head}>")
    return Markup(f"<{name}{head}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Markup:
    """Children one after the other; what is not markup is escaped."""
    shown = (child for child in children if child is not None and child is not False)
    return Markup(
        "".join(child if isinstance(child, Markup) else escape(str(child)) for child in shown)
    )


def document(title: str, style: str, *children: object) -> Markup:
    """A whole HTML file: the head with its title and style sheet, and the children as its body."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(style)),
    )
    return join(
        [
            Markup("<!doctype html>\n"),
            tag("html", head, tag("body", *children), lang="en"),
            Markup("\n"),
        ]
    )


def section(anchor: str, title: str, *children: object) -> Markup:
    """A section of the page with a heading."""
    return tag("section", tag("h2", title), *children, id=anchor, aria_label=title)


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], caption: str, first_is_name: bool = True
) -> Markup:
    """A table that scrolls sideways by itself where the page is narrow.

    Cells may be text, numbers (set flush right, and their heads with them) or whole `td` elements
    as `Markup`.
    """
    body, flush_right = [], set()
    for row in rows:
        cells = []
        for place, cell in enumerate(row):
            if isinstance(cell, Markup) and cell.startswith("<td"):
                cells.append(cell)
            elif place == 0 and first_is_name:
                cells.append(tag("th", cell, scope="row"))
            else:
                cells.append(tag("td", cell, class_="number" if _is_number(cell) else None))
        flush_right |= {place for place, cell in enumerate(cells) if cell.startswith(_FLUSH_RIGHT)}
        body.append(tag("tr", *cells))
    titles = [
        tag("th", title, scope="col", class_="number" if place in flush_right else None)
        for place, title in enumerate(head)
    ]
    whole = tag("table", tag("thead", tag("tr", *titles)), tag("tbody", *body), aria_label=caption)
    # beside the table, for inside it would scroll away
    return join(
        [
            tag("p", caption, class_="caption"),
            tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption),
        ]
    )


def heat_cell(text: str, share: float, framed: bool = False) -> Markup:
    """A cell as dark as its share, 0 … 1."""
    return tag("td", text, class_="heat right" if framed else "heat", style=f"--share:{share:.2f}")


def two_lines(text: str, below: str) -> Markup:
    """A cell of a number with a smaller text below it, such as its interval."""
    return tag("td", text, tag("small", below), class_="number")


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Names beside a sample of their line; entries are (CSS class, name)."""
    samples = [
        tag(
            "li",
            tag(
                "svg",
                tag("path", d="M0 5H24", class_=f"line {style}"),
                viewBox="0 0 24 10",
                aria_hidden="true",
            ),
            name,
        )
        for style, name in entries
    ]
    return tag("ul", *samples, class_="legend")


def _is_number(cell: object) -> bool:
    text = str(cell).lstrip("−-+")
    return not isinstance(cell, Markup) and (text[:1].isdigit() or text in ("", "–"))
