from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_cli.results_distillation import distillation_page
from fer_core.errors import ArtifactError
from fer_core.files import read_json, write_json
from stages import report
from tests.report.conftest import artifacts, project

__all__ = ["artifacts", "project"]

TRIALS = "method,seed,settings,val_macro_f1,val_accuracy,val_nll,best\nce,1,lr 0.1,0.5,0.6,1.1,0\nce,1,lr 0.2,0.55,0.61,1.05,1\n"


@pytest.fixture
def run(project: Path) -> Iterator[Path]:
    report.main()
    yield project


def cells(page: str, heading: str, first: str) -> list[str]:
    """The cells of a table's row below a heading."""
    lines = page.partition(f"## {heading}")[2].partition("\n## ")[0].splitlines()
    line = next(line for line in lines if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_figure_is_that_of_an_artifact(run: Path) -> None:
    (run / "trials.csv").write_text(TRIALS)
    page = distillation_page("Of grey faces", run / "trials.csv")
    assert page.startswith("# Of grey faces\n")
    recorded = {key: read_json(Path(f"data/evaluation/{key}/metrics.json"))["sets"] for key in ("kd-1", "kd-2")}
    for name in ("everything", "large"):
        f1 = [one[name]["per_class_f1"] for one in recorded.values()]
        by_class = page.partition(f"## Methods on {name}")[2].partition("F1 of each class")[2].partition("\n## ")[0]
        mine = next(line for line in by_class.splitlines() if line.startswith("| kd |"))
        assert mine == "| kd | " + " | ".join(f"{np.mean([one[label] for one in f1]):.3f}" for label in f1[0]) + " |"
    val = np.mean([one["val"]["metrics"]["macro_f1"]["value"] for one in recorded.values()])
    assert cells(page, "Methods on val rows", "kd")[2] == f"{val:.3f}"
    calibration = read_json(Path("data/calibration/kd-2/calibration.json"))
    row = cells(page, "Every run on everything", "kd-2")
    assert row[1] == f"{recorded['kd-2']['val']['metrics']['macro_f1']['value']:.3f}" and row[-1] == f"{calibration['temperature']:.3f}"
    pair = pd.read_csv("metrics/comparison.csv").iloc[0]
    assert cells(page, "Paired differences on everything", f"{pair['a']} less {pair['b']}")[1].startswith(
        f"{pair['delta_macro_f1']:+.4f} ("
    )
    assert cells(page, "Tuning", "ce")[2] == "0.500" and "| ce | lr 0.2 | 0.550 | 0.610 | 1.050 | best |" in page
    assert "All val curves are flat at the end." in page and "those of every run" in page and "- kd: lr 0.004" in page


def test_runs_of_different_budgets_are_named(run: Path) -> None:
    path = Path("data/evaluation/ce-2/metrics.json")
    values = read_json(path)
    values["budget"]["optimiser_steps"] = 11
    write_json(path, values)
    page = distillation_page("x", None)
    assert "**the runs' budgets differ**" in page and "## Tuning" not in page


def test_table_without_the_columns_of_trials_is_refused(run: Path) -> None:
    (run / "trials.csv").write_text("method,lr\nce,1\n")
    with pytest.raises(ArtifactError, match="no table of trials") as caught:
        distillation_page("x", run / "trials.csv")
    assert "val_macro_f1" in str(caught.value)
    with pytest.raises(ArtifactError, match="missing"):
        distillation_page("x", run / "absent.csv")
