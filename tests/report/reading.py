"""Reads a page as a person would: by section, table, picture and text, never by its markup."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from bs4 import BeautifulSoup, Tag

__all__ = ["Page", "words"]

_SCRIPT = Path(__file__).parents[2] / "fer_core/report/templates/sort.js"
_VOID = {"meta", "br", "img"}
_FOREIGN = ("link", "iframe", "object", "embed", "image", "use", "foreignobject", "base", "form")


class Page:
    """A page whose elements are all closed in order."""

    def __init__(self, path: Path) -> None:
        self.source = path.read_text(encoding="utf-8")
        _Balanced(self.source)
        self.soup = BeautifulSoup(self.source, "html.parser")

    @property
    def text(self) -> str:
        return words(self.soup.body)

    def section(self, anchor: str) -> Tag:
        return found(self.soup.find("section", id=anchor))

    def top(self) -> str:
        """Words above the table of contents."""
        nav = found(self.soup.find("nav"))
        return " ".join(" ".join(map(str, nav.find_all_previous(string=True)[::-1])).split())

    def tables(self, within: Tag | None = None) -> dict[str, list[dict[str, str]]]:
        """Caption -> rows, each by the words of the heads."""
        return {
            str(table["aria-label"]): list(_rows(table))
            for table in (within or self.soup).find_all("table")
        }

    def table(self, start: str, within: Tag | None = None) -> list[dict[str, str]]:
        """The one table whose caption begins so."""
        (rows,) = [
            rows for name, rows in self.tables(within).items() if words(name).startswith(start)
        ]
        return rows

    def row(self, start: str, first: str, within: Tag | None = None) -> dict[str, str]:
        """The row of a table that begins with these words."""
        rows = self.table(start, within)
        return next(row for row in rows if next(iter(row.values())) == first)

    def names(self, within: Tag) -> list[str]:
        """Names of the pictures, in order."""
        return [str(picture["alt"]) for picture in within.find_all("img")]

    def is_alone(self, beside: tuple[str, ...] = ()) -> None:
        """Nothing is fetched, links go to the page itself or to files beside it, and the only
        script is the one that sorts tables.
        """
        assert not re.search(r"https?:|url\(|@import|javascript:|//\w+\.", self.source)
        assert not self.soup.find_all(_FOREIGN)
        (script,) = self.soup.find_all("script")
        assert not script.attrs and script.get_text().strip() == _SCRIPT.read_text().strip()
        sources = [str(element["src"]) for element in self.soup.find_all(src=True)]
        assert all(re.fullmatch(r"data:image/jpeg;base64,[A-Za-z0-9+/]+=*", one) for one in sources)
        elements = self.soup.find_all(True)
        assert not any(name.startswith("on") for element in elements for name in element.attrs)
        anchors = {f"#{element['id']}" for element in self.soup.find_all(id=True)}
        links = {str(link["href"]) for link in self.soup.find_all(href=True)}
        assert set(beside) <= links <= anchors | set(beside)


def words(element: Tag | str | None) -> str:
    """Text with single spaces."""
    assert element is not None
    text = element if isinstance(element, str) else element.get_text(" ")
    return re.sub(r" ([,.;:)])", r"\1", " ".join(text.split()))


def found(element: object) -> Tag:
    assert isinstance(element, Tag)
    return element


def _rows(table: Tag) -> Iterator[dict[str, str]]:
    heads = [words(cell) for cell in found(table.thead).find_all("th")]
    assert len(set(heads)) == len(heads), f"two columns of the same name: {heads}"
    for row in found(table.tbody).find_all("tr"):
        cells = [words(cell) for cell in row.find_all(["th", "td"])]
        yield dict(zip(heads, cells, strict=True))


class _Balanced(HTMLParser):
    """Fails where an element is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
