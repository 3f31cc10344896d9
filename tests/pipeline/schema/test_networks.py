"""Networks that are trained exist, and take images of their size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer_core.base.errors import ParamsError
from fer_core.base.params import read_params
from fer_core.pipeline.schema.networks import check_networks
from tests.pipeline.schema.faults import PATH, ROOT, Change, params_after


def teacher(arch: str, **more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda params: params["teachers"].update(new={"arch": arch, **more})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            teacher("test_vit"),
            ["params.yaml: preprocessing.size of teachers.new.arch", "test_vit at 40 px", "16"],
        ),
        (
            teacher("convnext_tiny", a={"preprocessing": {"size": 16}}),
            ["teachers.new.a.preprocessing.size of teachers.new.arch", "16 px", "Kernel size"],
        ),
        (
            lambda p: (
                p.update(teacher_b={"preprocessing": {"size": 100}}),
                teacher("test_vit", stage="b", a={"preprocessing": {"size": 48}})(p),
            ),
            ["teacher_b.preprocessing.size of teachers.new.arch", "test_vit at 100 px"],
        ),
        (
            lambda p: p["student"].update(arch="test_vit", preprocessing={"size": 50}),
            ["student.preprocessing.size of student.arch", "50 px", "another network"],
        ),
        (
            teacher("resnet81"),
            ["teachers.new.arch", "found: resnet81", "resnet", "correct the name"],
        ),
    ],
)
def test_a_network_that_cannot_be_trained_is_named_by_its_keys(
    change: Change, told: list[str]
) -> None:
    with pytest.raises(ParamsError) as caught:
        check_networks(params_after(change), PATH)
    for word in told:
        assert word in str(caught.value), caught.value


def test_a_size_that_fits_passes_and_teachers_from_elsewhere_are_not_built() -> None:
    def change(params: dict[str, Any]) -> None:
        teacher("test_vit", a={"preprocessing": {"size": 48}})(params)
        params["teachers"]["elsewhere"] = {"onnx": "peers/network.onnx"}

    check_networks(params_after(change), PATH)


@pytest.mark.parametrize("profile", ["chain", "custom", "fer2013", "protocol-cpu"])
def test_the_networks_of_profiles_take_their_sizes(profile: str) -> None:
    check_networks(read_params(ROOT / "profiles" / f"{profile}.yaml"), Path(profile))
