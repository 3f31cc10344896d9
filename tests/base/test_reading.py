"""YAML, TOML and JSON of people: read as DVC reads them, and never a crash."""

import json
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from fer_core.base.errors import FerError, ParamsError
from fer_core.base.files import parse_json
from fer_core.base.reading import parse_yaml, read_toml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e-06", 1e-6),
        ("012", 12),
        ("0o14", 12),
        ("0x1f", 31),
        ("-7", -7),
        ("+7", 7),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("1:20", "1:20"),
        ("1_000", "1_000"),
        ("2026-11-28", "2026-11-28"),
        ("~", None),
        ("", None),
        ("null", None),
        ("'1'", "1"),
        ("[1, a, 2.5]", [1, "a", 2.5]),
        ("{a: 1, b: {c: []}}", {"a": 1, "b": {"c": []}}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert parse_yaml(text, "here") == value


def plain() -> st.SearchStrategy[object]:
    words = st.text("abcdefgh_-. ", min_size=1, max_size=8)
    leaves = st.none() | st.booleans() | st.integers() | words | st.floats(-1e9, 1e9)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    )


@given(plain())
def test_what_ruamel_writes_is_read_as_ruamel_reads_it(value: object) -> None:
    import io

    stream = io.StringIO()
    YAML(typ="safe").dump(value, stream)
    assert parse_yaml(stream.getvalue(), "here") == YAML(typ="safe").load(stream.getvalue())


BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 0x" + "9" * 5000, "more than 100 characters"),
        ("[" * 100_000, "levels"),
        ("- " * 100_000, "levels"),
        (BOMB, "aliases"),
        ("a: .inf", "finite"),
        ("a: .nan", "finite"),
        ("a: 1\na: 2", "twice"),
        ("? [1]\n: 2", "list or mapping"),
        ("9" * 5000, "more than 100 characters"),
        ("a: !!python/object/apply:os.system [ls]", "tag"),
        ("a: [1", "line"),
        ("\x00", "not valid"),
    ],
)
def test_what_would_crash_or_hang_is_an_error(text: str, says: str) -> None:
    start = time.process_time()
    with pytest.raises(ParamsError, match=says):
        parse_yaml(text, "here")
    assert time.process_time() - start < 5


@given(st.text(max_size=200) | st.text("[]{}:,&*a1- \n\t#'\"!|>?%@", max_size=60))
def test_any_text_is_a_value_or_our_error(text: str) -> None:
    try:
        parse_yaml(text, "here")
    except FerError as error:
        assert "here" in str(error)


def test_files_are_bounded_and_named(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    with pytest.raises(ParamsError, match=r"missing(.|\n)*a\.yaml"):
        read_yaml(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParamsError, match="cannot be read as text"):
        read_yaml(file)
    file.write_bytes(b"a: b\n" * 3_000_000)
    with pytest.raises(ParamsError, match="too large"):
        read_yaml(file)
    with pytest.raises(ParamsError, match="cannot be read"):
        read_yaml(tmp_path)


def test_toml_is_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("a = [1, 2]")
    assert read_toml(file) == {"a": [1, 2]}
    for text in ("a = ", "a = " + "[" * 100_000, "a = " + "9" * 5000):
        file.write_text(text)
        with pytest.raises(ParamsError, match="not valid TOML"):
            read_toml(file)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "NaN", "Infinity", "{", "\ufeff{}"])
def test_json_that_would_crash_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)
    assert parse_json(json.dumps({"a": [sys.maxsize]})) == {"a": [sys.maxsize]}
