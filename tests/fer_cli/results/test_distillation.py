from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_cli.results.pages import distillation_page
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json
from stages import compare, report
from tests.artifacts import rewrite
from tests.report.conftest import artifacts, project

__all__ = ["artifacts", "project"]

TRIALS = """\
method,seed,settings,val_macro_f1,val_accuracy,val_nll,best
ce,1,lr 0.1,0.5,0.6,1.1,0
ce,1,lr 0.2,0.55,0.61,1.05,1
"""


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
    recorded = {
        key: read_json(Path(f"data/evaluation/{key}/metrics.json"))["sets"]
        for key in ("kd-1", "kd-2")
    }
    for name in ("everything", "large"):
        f1 = [one[name]["per_class_f1"] for one in recorded.values()]
        by_class = (
            page.partition(f"## Methods on {name}")[2]
            .partition("F1 of each class")[2]
            .partition("\n## ")[0]
        )
        mine = next(line for line in by_class.splitlines() if line.startswith("| kd |"))
        assert (
            mine
            == "| kd | "
            + " | ".join(f"{np.mean([one[label] for one in f1]):.3f}" for label in f1[0])
            + " |"
        )
    val = np.mean([one["val"]["metrics"]["macro_f1"]["value"] for one in recorded.values()])
    assert cells(page, "Methods on val rows", "kd")[2] == f"{val:.3f}"
    calibration = read_json(Path("data/calibration/kd-2/calibration.json"))
    row = cells(page, "Every run on everything", "kd-2")
    assert (
        row[1] == f"{recorded['kd-2']['val']['metrics']['macro_f1']['value']:.3f}"
        and row[-1] == f"{calibration['temperature']:.3f}"
    )
    pair = pd.read_csv("metrics/comparison.csv").iloc[0]
    assert cells(page, "Paired differences on everything", f"{pair['a']} less {pair['b']}")[
        1
    ].startswith(f"{pair['delta_macro_f1']:+.4f} (")
    assert (
        cells(page, "Tuning", "ce")[2] == "0.500"
        and "| ce | lr 0.2 | 0.550 | 0.610 | 1.050 | best |" in page
    )
    assert (
        "All val curves are flat at the end." in page
        and "those of every run" in page
        and "- kd: lr 0.004" in page
    )


def test_goals_are_met_or_not_by_the_numbers_beside_them(run: Path) -> None:
    page = distillation_page("x", None)
    pair = pd.read_csv("metrics/comparison.csv").iloc[0]
    row = cells(page, "Goals", "kd")
    assert (
        row[2] == f"{pair['delta_macro_f1']:+.4f} ({pair['delta_macro_f1_low']:+.4f} to "
        f"{pair['delta_macro_f1_high']:+.4f})"
    )
    assert (
        row[3]
        == f"{pair['delta_macro_f1_seeds_low']:+.4f} to {pair['delta_macro_f1_seeds_high']:+.4f}"
    )
    assert "kd, which val rows prefer, is" in page and " ahead of ce." in page
    folders = [Path(f"data/calibration/kd-{seed}") for seed in (1, 2)]
    found = [
        read_json(folder / "reliabilitymetrics.json")["everything"]["temperature_scaled"]
        for folder in folders
    ]
    ece = np.mean([one["metrics"]["ece"]["value"] for one in found])
    floor = np.mean([one["floor"]["ece"]["mean"] for one in found])
    assert (row[5], row[6]) == (f"{ece:.4f}", f"{floor:.4f}")
    assert row[7].startswith(f"{ece - floor:+.4f} (")
    assert row[8] == ("met" if ece <= floor + 0.005 else "not met")


@pytest.mark.parametrize(
    ("delta", "low_over_seeds", "verdict"),
    [
        ({"value": 0.0099, "low": 0.001, "high": 0.02}, 0.001, "not met"),
        ({"value": 0.01, "low": 0.0, "high": 0.02}, 0.001, "not met"),
        ({"value": 0.01, "low": 0.001, "high": 0.02}, -0.001, "not met"),
        ({"value": 0.01, "low": 0.001, "high": 0.02}, 0.0005, "met"),
        ({"value": 0.01, "low": 0.001, "high": 0.02}, None, "met"),
        (None, None, "cannot be judged"),
    ],
)
def test_a_gain_is_one_with_both_intervals_above_0(
    run: Path, delta: dict[str, float] | None, low_over_seeds: float | None, verdict: str
) -> None:
    seeds = None if low_over_seeds is None else {"low": low_over_seeds, "high": 0.02}
    change_pair(delta_macro_f1=delta, delta_macro_f1_over_seeds=seeds)
    page = distillation_page("x", None)
    goal = next(line for line in page.splitlines() if line.startswith("- **Best method"))
    assert f"above 0**: **{verdict}**" in goal or (delta is None and verdict in goal)
    if delta is not None:
        assert cells(page, "Goals", "kd")[4] == verdict


def test_the_other_side_of_a_pair_is_turned_round(run: Path) -> None:
    given = {"value": -0.03, "low": -0.05, "high": -0.01}
    seeds = {"value": -0.03, "low": -0.06, "high": -0.005}
    change_pair(a="ce", b="kd", delta_macro_f1=given, delta_macro_f1_over_seeds=seeds)
    row = cells(distillation_page("x", None), "Goals", "kd")
    assert row[2:5] == ["+0.0300 (+0.0100 to +0.0500)", "+0.0050 to +0.0600", "met"]


def test_calibration_is_held_to_what_a_perfect_model_shows(run: Path) -> None:
    for key, ece in (("kd-1", 0.0249), ("kd-2", 0.0251), ("ce-1", 0.03), ("ce-2", 0.02)):
        path = Path(f"data/calibration/{key}/reliabilitymetrics.json")
        values = read_json(path)
        scaled = values["everything"]["temperature_scaled"]
        scaled["metrics"]["ece"]["value"], scaled["floor"]["ece"]["mean"] = ece, 0.02
        if key == "ce-1":
            scaled["metrics"]["ece"]["value"] = 0.0302
        rewrite(path, values)
    page = distillation_page("x", None)
    assert cells(page, "Goals", "kd")[8] == "met"
    assert cells(page, "Goals", "ce")[8] == "not met"
    assert "perfectly calibrated model**: **met by kd only**" in page


def change_pair(**changes: object) -> None:
    path = Path("data/comparison/comparison.json")
    values = read_json(path)
    values["pairs"][0] |= changes
    rewrite(path, values)


def test_a_class_that_a_set_has_no_row_of_is_a_dash(run: Path) -> None:
    for key in ("ce-1", "ce-2", "kd-1", "kd-2"):
        path = Path(f"data/calibration/{key}/reliabilitymetrics.json")
        values = read_json(path)
        values["large"]["raw"]["per_class_f1"]["Disgust"] = None
        rewrite(path, values)
    by_class = (
        distillation_page("x", None)
        .partition("## Methods on large")[2]
        .partition("F1 of each class")[2]
    )
    mine = next(line for line in by_class.splitlines() if line.startswith("| kd |"))
    assert [cell.strip() for cell in mine.strip("|").split("|")][2] == "–"


def test_each_named_set_has_its_table_of_methods(run: Path) -> None:
    methods = distillation_page("x", None).partition("## Methods on large")[2]
    assert methods.partition("F1 of each class")[0].count("| kd | 2 |") == 1


def test_methods_are_compared_on_every_set_that_is_named(run: Path) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(
        text.replace("compare_set: everything", "compare_set: [everything, large]")
    )
    compare.main()
    report.main()
    page = distillation_page("x", None)
    for name in ("everything", "large"):
        assert cells(page, f"Paired differences on {name}", "kd less ce")[1] != ""
    assert pd.read_csv("metrics/comparison.csv")["set"].tolist() == ["everything", "large"]


def test_runs_of_different_budgets_are_named(run: Path) -> None:
    path = Path("data/evaluation/ce-2/metrics.json")
    values = read_json(path)
    values["budget"]["optimiser_steps"] = 11
    rewrite(path, values)
    page = distillation_page("x", None)
    assert "**the runs' budgets differ**" in page and "## Tuning" not in page


def test_table_without_the_columns_of_trials_is_refused(run: Path) -> None:
    (run / "trials.csv").write_text("method,lr\nce,1\n")
    with pytest.raises(ArtifactError, match="no table of trials") as caught:
        distillation_page("x", run / "trials.csv")
    assert "val_macro_f1" in str(caught.value)
    with pytest.raises(ArtifactError, match="missing"):
        distillation_page("x", run / "absent.csv")
