"""The project as it is shipped: parameters and pipeline of the sample, whatever the user's are."""

from pathlib import Path
from typing import Any

import yaml

from fer_core.base.params import read_params
from fer_core.pipeline.dag.dag import synced

__all__ = ["PIPELINE", "ROOT", "SAMPLE", "lay_sample", "write_params"]

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "profiles" / "sample.yaml"
PIPELINE = synced((ROOT / "dvc.yaml").read_text(encoding="utf-8"), read_params(SAMPLE), ROOT)


def lay_sample(folder: Path) -> None:
    """Write the sample's params.yaml and dvc.yaml into a folder."""
    (folder / "params.yaml").write_text(SAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")


def write_params(path: Path, params: dict[str, Any]) -> None:
    """Write a params.yaml; its keys keep their order."""
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
