"""A smoke run has the same stages with little of all, and leaves the checkout as it is."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fer_core.base.params import read_params
from fer_core.base.reading import parse_yaml
from fer_core.pipeline.dag.dag import synced
from fer_core.pipeline.running import smoke
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
    after = synced(text, params, ROOT)
    same, trial = (parse_yaml(one, "dvc.yaml")["stages"] for one in (before, after))
    assert {name for name in trial if trial[name] != same[name]} == {"pack", "report"}
    for name in ("pack", "report"):
        assert trial[name].pop("params") != same[name].pop("params")
        assert trial[name] == same[name]
    assert params["student"]["train"]["epochs"] == 2
    assert params["pack"]["most_per_class"] * 7 >= params["student"]["train"]["batch"]
    assert params["deploy"]["precisions"] == read_params(profile)["deploy"]["precisions"]
    for entry in params["teachers"].values():
        for stage in "ab":
            train = entry.get(stage, {}).get("train", {})
            assert train.get("epochs", 2) == 2 and train.get("max_train_batches", 1) == 1


def test_it_runs_in_a_copy_that_goes_away_and_the_checkout_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "checkout"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n")
    shutil.copy(ROOT / "profiles/sample.yaml", root / "params.yaml")
    shutil.copy(ROOT / "dvc.yaml", root)
    for part in ("fer_core", "stages"):  # the code that the pipeline's deps follow from
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data/sources", root / "data/sources")
    (root / "edited.py").write_text("not committed yet")
    added = ["params.yaml", "dvc.yaml", ".dvc/config", "fer_core", "stages", "data/sources"]
    for command in (["init", "--quiet"], ["add", *added]):
        subprocess.run(["git", *command], cwd=root, check=True)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    seen: dict[str, Any] = {}

    def run(command: list[str], environment: Mapping[str, str], folder: Path) -> int:
        seen.update(folder=folder, command=command, runs=Path(environment["FER_RUNS"]))
        seen["params"] = read_params(folder / "params.yaml")
        seen["pipeline"] = (folder / "dvc.yaml").read_text()
        seen["edited"] = (folder / "edited.py").read_text()
        seen["cache"] = (folder / ".dvc/config.local").read_text()
        return 3

    monkeypatch.chdir(root)
    monkeypatch.setattr(smoke, "run_in_group", run)
    assert smoke.run_smoke(Path()) == 3
    assert seen["params"] == smoke_params(read_params(root / "params.yaml"))
    assert seen["pipeline"] == synced(seen["pipeline"], seen["params"], ROOT), "in step"
    assert seen["pipeline"] != (root / "dvc.yaml").read_text()
    assert seen["edited"] == "not committed yet"
    assert str(root / ".dvc/cache") in seen["cache"]
    assert seen["runs"].is_relative_to(seen["folder"]) and seen["command"][-1] == "run"
    assert not seen["folder"].exists()
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
