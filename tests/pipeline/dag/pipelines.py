"""Parameters of the sample with changes, and the stages of a synced dvc.yaml."""

from copy import deepcopy
from typing import Any

import yaml

from fer_core.base.params import read_params
from tests.shipped import SAMPLE

PARAMS = read_params(SAMPLE)


def changed(**student: object) -> dict[str, Any]:
    params = deepcopy(PARAMS)
    params["student"].update(student)
    return params


def stages(text: str) -> dict[str, Any]:
    return yaml.safe_load(text)["stages"]


def with_stage_b() -> dict[str, Any]:
    params = deepcopy(PARAMS)
    params["teachers"]["tiny_resnet"]["stage"] = "b"
    params["teacher_b"] = {"set": "large"}
    return params


def with_folds(params: dict[str, Any], folds: int) -> dict[str, Any]:
    params["teacher"]["folds"] = folds
    return params
