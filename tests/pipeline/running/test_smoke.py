from pathlib import Path

import pytest

from fer_core.base.params import read_params
from fer_core.pipeline.dag.dag import synced
from fer_core.pipeline.running.smoke import smoke_params
from fer_core.pipeline.schema.check import check_params
from fer_core.pipeline.schema.methods import check_methods

ROOT = Path(__file__).parents[3]
PROFILES = sorted((ROOT / "profiles").glob("*.yaml"))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_smoke_parameters_are_valid_and_have_the_same_stages(profile: Path) -> None:
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    before = synced(text, read_params(profile), ROOT)
    params = smoke_params(read_params(profile))
    check_params(params, profile)
    check_methods(params, profile)
    assert synced(text, params, ROOT) == before
    assert params["student"]["train"]["epochs"] == 2
    for entry in params["teachers"].values():
        for stage in "ab":
            train = entry.get(stage, {}).get("train", {})
            assert train.get("epochs", 2) == 2 and train.get("max_train_batches", 2) == 2
