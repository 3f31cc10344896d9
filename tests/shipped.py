"""The project as it is shipped: parameters and pipeline of the sample, whatever the user's are."""

from pathlib import Path

from fer_core.base.params import read_params
from fer_core.pipeline.dag import synced

__all__ = ["PIPELINE", "ROOT", "SAMPLE", "lay_sample"]

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "profiles" / "sample.yaml"
PIPELINE = synced((ROOT / "dvc.yaml").read_text(encoding="utf-8"), read_params(SAMPLE), ROOT)


def lay_sample(folder: Path) -> None:
    """Write the sample's params.yaml and dvc.yaml into a folder."""
    (folder / "params.yaml").write_text(SAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
