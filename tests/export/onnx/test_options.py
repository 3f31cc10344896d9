from typing import Any

import pytest

from fer_core.base.errors import ParamsError
from fer_core.base.params import parse_section
from fer_core.export.onnx.options import DeployOptions, LatencyOptions

DEPLOY = {
    "student": "kd-1337",
    "opset": 18,
    "precisions": ["fp32", "fp16"],
    "licence": "research only",
}
LATENCY = {"rounds": 5, "calls": 10, "batches": [1, 8], "threads": [1, 0]}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"precisions": ["fp32", "int4"]}, r"deploy\.precisions\.1"),
        ({"precisions": ["fp16"]}, r"deploy\.precisions"),
        ({"precisions": ["fp32", "fp32"]}, r"deploy\.precisions"),
        ({"opset": 17}, r"deploy\.opset"),
        ({"quantise": True}, r"deploy\.quantise"),
        ({"int8": {"faces": 3}}, r"deploy\.int8\.faces"),
        ({"int8": {"max_kl": 0}}, r"deploy\.int8\.max_kl"),
    ],
)
def test_deploy_value_that_does_not_fit_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ParamsError, match=named):
        parse_section("deploy", DEPLOY | change, DeployOptions)


def test_what_a_file_does_not_say_has_defaults() -> None:
    options = parse_section("deploy", DEPLOY, DeployOptions)
    assert (options.int8.faces, options.teachers) == (512, ())
    assert parse_section("latency", LATENCY, LatencyOptions).warm_up == 10


@pytest.mark.parametrize(
    "change",
    [
        {"rounds": 0},
        {"calls": 0},
        {"batches": []},
        {"batches": [0]},
        {"threads": [-1]},
        {"warm_up": -1},
    ],
)
def test_latency_value_that_does_not_fit_is_named(change: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match=rf"latency\.{next(iter(change))}"):
        parse_section("latency", LATENCY | change, LatencyOptions)
