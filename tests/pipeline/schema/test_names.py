"""Names of data sets, teachers, methods and sets."""

from collections.abc import Callable
from typing import Any

import pytest

from fer_core.base.errors import ParamsError
from fer_core.pipeline.schema.check import check_params
from tests.pipeline.schema.faults import HOSTILE, PATH, Change, assert_told, params_after


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p["student"].update(seeds=[1337, 1337]), ["student.seeds", "twice", "1337"]),
        (
            lambda p: p["student"].update(methods=["ce", "kd", "ce", "dkd"]),
            ["student.methods", "twice", "ce"],
        ),
        (
            lambda p: p["student"].update(methods=["ce", "k/d"]),
            ["student.methods", "k/d", "letters, digits and _"],
        ),
        (
            lambda p: p.update(teachers={"../tiny_resnet": {"arch": "test_resnet"}}),
            ["teachers", "../tiny_resnet", "letters, digits and _"],
        ),
        (
            lambda p: p.update(teachers={"kd-1337": {"arch": "test_resnet"}}),
            ["teachers", "kd-1337"],
        ),
        (
            lambda p: p.update(teachers={"ensemble": {"arch": "test_resnet"}}),
            ["teachers", "ensemble", "rename"],
        ),
        (lambda p: p["sets"].update({"a.b": {}}), ["sets", "a.b", "letters, digits and _"]),
    ],
)
def test_a_fault_is_named_by_its_key_and_by_what_was_found(change: Change, told: list[str]) -> None:
    assert_told(change, told)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("where", "put"),
    [
        ("student.arch", lambda p, v: p["student"].update(arch=v)),
        ("teachers.tiny_resnet.arch", lambda p, v: p["teachers"]["tiny_resnet"].update(arch=v)),
        ("teachers", lambda p, v: p["teachers"].update({v: {"arch": "test_resnet"}})),
        ("student.methods", lambda p, v: p["student"]["methods"].append(v)),
        ("student.seeds", lambda p, v: p["student"]["seeds"].append(v)),
        ("sets", lambda p, v: p["sets"].update({v: {}})),
        ("manifest.sources", lambda p, v: p["manifest"]["sources"].append(v)),
        ("deploy.student", lambda p, v: p["deploy"].update(student=v)),
        ("deploy.teachers", lambda p, v: p["deploy"].update(teachers=[v])),
    ],
)
def test_no_value_that_reaches_a_command_line_can_be_more_than_a_name(
    where: str, put: Callable[[dict[str, Any], str], object], value: str
) -> None:
    """The keys, architectures and names below stand in `cmd` of dvc.yaml, which a shell reads."""
    with pytest.raises(ParamsError, match=where.replace(".", r"\.")):
        check_params(params_after(lambda params: put(params, value)), PATH)
