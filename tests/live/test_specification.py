from pathlib import Path
from typing import Any

import pytest

from fer_core.base.errors import ParamsError
from fer_core.base.reading import read_yaml
from fer_core.live.specification import Specification

ROOT = Path(__file__).parents[2]


def test_the_file_of_rules_holds_the_defaults_and_all_of_them() -> None:
    assert read_yaml(ROOT / "live.yaml") == Specification().to_dict()


def test_what_is_not_given_keeps_its_value() -> None:
    rules = Specification.from_dict({"smooth": {"tau_s": 1}}).changed({"track": {"keep_s": 2.5}})
    assert (rules.smooth.tau_s, rules.track.keep_s, rules.smooth.enter) == (1, 2.5, 0.4)
    assert Specification.from_dict(rules.to_dict()) == rules
    assert Specification.from_dict(None) == Specification()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"smooth": {"tau": 1}}, "tau_s"),
        ({"smoothing": {}}, "smooth"),
        ({"smooth": [1]}, "some of mode"),
        ("time", "some of detect"),
        ({"smooth": {"tau_s": float("nan")}}, "smooth.tau_s"),
        ({"smooth": {"tau_s": True}}, "smooth.tau_s"),
        ({"smooth": {"tau_s": "1"}}, "smooth.tau_s"),
        ({"smooth": {"window": 8.0}}, "smooth.window"),
        ({"smooth": {"mode": "slow"}}, "time or original"),
        ({"smooth": {"enter_of": {"Glad": 0.5}}}, "class names"),
        ({"smooth": {"enter_of": {"Sad": 0.2}}}, "smooth.leave"),
        ({"smooth": {"leave": 0.6}}, "smooth.leave"),
        ({"smooth": {"window": 7}}, "smooth.minimum"),
        ({"detect": {"longest_side": 63}}, "64 to 4096"),
        ({"score": {"bins": 1}}, "score.bins"),
    ],
)
def test_rules_that_do_not_fit_are_named(values: Any, words: str) -> None:
    with pytest.raises(ParamsError, match=words):
        Specification.from_dict(values)
