import json
from pathlib import Path

import pytest

from fer_core.base.errors import ParamsError
from fer_core.base.params import parse_section
from fer_core.sample.options import SampleOptions

SOURCES = Path(__file__).parents[2] / "data" / "sources"


def parsed(values):
    return parse_section("sample", values, SampleOptions)


def test_options_round_trip_through_json():
    options = SampleOptions(seed=3, faces=50, test_share=0.3, duplicates=1)
    assert parsed(json.loads(options.model_dump_json())) == options


def test_unknown_key_is_refused_by_name():
    with pytest.raises(ParamsError, match=r"sample\.fases"):
        parsed({"fases": 10})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("faces", "100"),
        ("faces", 3),
        ("seed", -1),
        ("seed", True),
        ("test_share", 0.9),
        ("duplicates", 400),
        ("non_faces", 1.5),
        ("label_noise", 2),
    ],
)
def test_value_of_wrong_type_or_out_of_range_is_refused_by_name(key, value):
    with pytest.raises(ParamsError, match=rf"sample\.{key}"):
        parsed({key: value})


@pytest.mark.parametrize(
    "name", ["sample_fer2013", "sample_ferplus", "sample_rafdb", "sample_expw"]
)
def test_shipped_descriptors_hold_valid_options(name):
    descriptor = json.loads((SOURCES / f"{name}.json").read_text())
    assert descriptor["name"] == name
    assert descriptor["present"] is True
    parsed(descriptor["sample"])


def test_shipped_fer2013_and_ferplus_hold_the_same_pictures():
    fer2013, ferplus = (
        json.loads((SOURCES / f"sample_{name}.json").read_text())["sample"]
        for name in ("fer2013", "ferplus")
    )
    assert fer2013 == ferplus
