"""Comments of parameter files say what the code's models say, and change no value."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fer_core.base.errors import ParamsError
from fer_core.base.params import read_params
from fer_core.pipeline.schema.comments import commented, left_out
from tests.shipped import ROOT, SAMPLE

PROFILES = sorted((ROOT / "profiles").glob("*.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_key_of_every_profile_is_described_by_its_model(path: Path) -> None:
    text = path.read_text()
    assert commented(text) == text, "run `fer profile comment`"


def test_comments_stay_and_values_too(tmp_path: Path) -> None:
    plain = tmp_path / "plain.yaml"
    with plain.open("w") as stream:
        YAML().dump(read_params(SAMPLE), stream)
    again = tmp_path / "again.yaml"
    again.write_text(commented(plain.read_text()))
    assert read_params(again) == read_params(SAMPLE)
    assert commented(again.read_text()) == again.read_text()


def test_a_comment_names_purpose_and_range() -> None:
    lines = SAMPLE.read_text().splitlines()
    place = lines.index("  val_fraction: 0.1")
    assert "carved into val" in " ".join(lines[place - 2 : place])
    assert "less than 1" in " ".join(lines[place - 2 : place])


def test_a_key_without_description_is_an_error() -> None:
    text = SAMPLE.read_text().replace("  shard_megabytes: 96", "  shard_kilobytes: 96")
    with pytest.raises(ParamsError, match=r"pack\.shard_kilobytes"):
        commented(text)


def test_options_that_a_file_does_without_are_found_and_no_others() -> None:
    params = read_params(SAMPLE)
    found = left_out(params)
    assert {
        "teacher.train.optimizer",
        "student.train.ema",
        "views.erase",
        "targets.weights",
    } <= set(found)
    assert "least 0 and at most 1" in found["teacher.votes"]
    assert not {"teacher.train.lr", "views.flip", "views"} & set(found)


def test_the_page_of_options_is_that_of_the_models() -> None:
    text = (ROOT / "docs" / "left_out.md").read_text()
    lines = [f"- `{name}`: {told}" for name, told in left_out(read_params(SAMPLE)).items()]
    assert text.splitlines() == lines, "run `python docs/left_out.py`"
