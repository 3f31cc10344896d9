"""Templates refuse what is not known, and escape what they are given."""

from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from jinja2 import TemplateRuntimeError, UndefinedError

from fer_core.base.glossary import TERMS
from fer_core.report.templates.load import explained, number, page_environment

HOSTILE = "<b>&</b>"


def rendered(folder: Path, text: str, suffix: str = ".html.j2", **facts: Any) -> str:
    (folder / f"x{suffix}").write_text(text)
    return page_environment(folder).get_template(f"x{suffix}").render(facts)


@pytest.mark.parametrize("text", ["{{ absent }}", "{{ run.absent }}", "{% if absent %}{% endif %}"])
def test_an_unknown_fact_is_an_error_and_no_empty_cell(tmp_path: Path, text: str) -> None:
    with pytest.raises(UndefinedError):
        rendered(tmp_path, text, run={})


@pytest.mark.parametrize("value", [None, {"a": 1}])
def test_nothing_and_whole_records_are_not_printed(tmp_path: Path, value: object) -> None:
    with pytest.raises(TemplateRuntimeError, match="would show"):
        rendered(tmp_path, "{{ value }}", value=value)


def test_html_is_escaped_and_markdown_is_not(tmp_path: Path) -> None:
    assert rendered(tmp_path, "{{ value }}", value=HOSTILE) == "&lt;b&gt;&amp;&lt;/b&gt;"
    assert rendered(tmp_path, "{{ value }}", ".md.j2", value=HOSTILE) == HOSTILE


def test_tables_faces_and_tiles_escape_their_words(tmp_path: Path) -> None:
    text = """{% import "macros.html.j2" as m %}
    {% call m.table(x, [x]) %}{{ m.row(x, [x]) }}{% endcall %}{{ m.face(x, x) }}
    {{ m.tiles([(x, x, x)]) }}
    {{ m.heat(x, 0.5) }}{{ m.figure("", x) }}"""
    page = rendered(tmp_path, text, x=f'{HOSTILE}"')
    soup = BeautifulSoup(page, "html.parser")
    assert {tag.get_text() for tag in soup.find_all("b")} == set()
    assert soup.table and soup.table["aria-label"] == f'{HOSTILE}"'
    assert soup.img and soup.img["alt"] == f'{HOSTILE}"'


def test_terms_are_explained_where_they_are_used_and_only_as_whole_words() -> None:
    soup = BeautifulSoup(explained("macro-F1 & ECE, <tests> of val"), "html.parser")
    assert {term.get_text(): term["title"] for term in soup.find_all("abbr")} == {
        term: TERMS[term] for term in ("macro-F1", "ECE", "val")
    }
    assert soup.get_text() == "macro-F1 & ECE, <tests> of val"


def test_a_score_that_is_not_there_is_a_dash() -> None:
    assert [number(None), number(float("nan")), number(0.12345), number(2, 1)] == [
        "–",
        "–",
        "0.123",
        "2.0",
    ]
