"""Errors say where, what, what was expected and what to do, in text that is safe to show."""

from pathlib import Path

import pytest

from fer_core.base.errors import DataError, FerError, printable


def test_all_that_is_known_is_said_in_order() -> None:
    error = DataError("Wrong.", where=Path("a.csv"), found=3, expected="2", remedy="correct it")
    lines = ["Wrong.", "  where: a.csv", "  found: 3", "  expected: 2", "  remedy: correct it"]
    assert str(error).splitlines() == lines
    assert isinstance(error, FerError) and str(FerError("Wrong.")) == "Wrong."


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("a\rb", "a\\rb"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("a\udcffb", "a\\udcffb"),
        ("Grüße, 顔\tü", "Grüße, 顔\tü"),
    ],
)
def test_characters_that_could_fool_a_reader_are_shown_as_escapes(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert str(DataError("Wrong.", found=name)) == f"Wrong.\n  found: {shown}"
    str(DataError("Wrong.", found=name)).encode()
