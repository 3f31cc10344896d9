"""A parameter file with one change, and the fault that is told of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer_core.base.errors import ParamsError
from fer_core.base.params import read_params
from fer_core.pipeline.schema.check import check_params

ROOT = Path(__file__).parents[3]
PATH = Path("params.yaml")
Change = Callable[[dict[str, Any]], object]

HOSTILE = ("x; touch y #", "$(id)", "`id`", "a b", "../x", "a\nb", "-x", "${seed}", "", "é", "a'b")


def params_after(change: Change) -> dict[str, Any]:
    params = read_params(ROOT / "profiles" / "sample.yaml")
    change(params)
    return params


def assert_told(change: Change, told: list[str]) -> None:
    """The fault after this change is told with all these words."""
    with pytest.raises(ParamsError) as caught:
        check_params(params_after(change), PATH)
    for word in told:
        assert word in str(caught.value), caught.value
