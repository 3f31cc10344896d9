import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from fer_cli.results.tables import method_table, model_table
from fer_core.base.errors import ArtifactError

METRICS = ("accuracy", "macro_f1", "nll", "ece")


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = []
    for set_name, entry, calibrated, macro_f1 in (
        ("all", "low", True, 0.25),
        ("all", "high", True, 0.75),
        ("all", "high", False, 0.74),
        ("other", "high", True, 0.5),
    ):
        values = {name: macro_f1 if name == "macro_f1" else 0.5 for name in METRICS}
        edges = {
            f"{name}_{edge}": values[name] + shift
            for name in METRICS
            for edge, shift in (("low", -0.125), ("high", 0.125))
        }
        rows.append(
            {
                "set": set_name,
                "entry": entry,
                "kind": "student",
                "calibrated": calibrated,
                **values,
                **edges,
            }
        )
    (tmp_path / "metrics").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "metrics" / "leaderboard.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_table_holds_the_calibrated_rows_of_the_set_best_first(board: Path) -> None:
    lines = model_table("all").splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == ["high", "low"]
    assert "0.750 (0.625–0.875)" in lines[0]


def test_methods_are_summed_up_over_seeds(board: Path) -> None:
    names = ("accuracy", "macro_f1", "minority_f1", "nll_scaled_nats", "ece_scaled")
    lines = ["set,method,metric,seeds,mean,sd,min,max"]
    lines += [f"all,ce,{name},1,0.5,,0.5,0.5" for name in names]
    lines += [f"all,kd,{name},3,0.25,0.0156,0.2,0.3" for name in names] + [
        "other,kd,macro_f1,3,0.9,0.1,0.8,1.0"
    ]
    (board / "metrics" / "resultssummarystudents.csv").write_text("\n".join(lines))
    found = method_table("all").splitlines()[2:]
    assert found == ["| ce | 1 |" + " 0.500 |" * 5, "| kd | 3 |" + " 0.250 ± 0.016 |" * 5]


def test_unknown_set_and_missing_file_are_errors(board: Path) -> None:
    with pytest.raises(ArtifactError, match="none"):
        model_table("none")
    (board / "metrics" / "leaderboard.csv").unlink()
    with pytest.raises(ArtifactError, match=r"leaderboard\.csv"):
        model_table("all")


def test_the_command_starts_without_torch() -> None:
    code = "import sys, fer_cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
