import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from fer_cli.results.command import glossary_section, results
from fer_cli.results.tables import method_table, model_table
from fer_core.base.errors import ArtifactError
from fer_core.base.glossary import TERMS

ROOT = Path(__file__).parents[3]
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
    lines = [line for line in model_table("all").splitlines()[2:] if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in lines] == ["high", "low"]
    assert "0.750 (0.625–0.875)" in lines[0]


def test_the_seeds_of_a_method_are_one_row_with_mean_and_spread(board: Path) -> None:
    path = board / "metrics/leaderboard.csv"
    frame = pd.read_csv(path)
    high = frame[frame["entry"] == "high"]
    runs = [
        high.assign(entry=f"kd-{seed}", macro_f1=macro_f1)
        for seed, macro_f1 in ((1, 0.3), (22, 0.4), (333, 0.5))
    ]
    pd.concat([*runs, high.assign(entry="ce-1"), high.assign(entry="t-1", kind="teacher")]).to_csv(
        path, index=False
    )
    table = model_table("all")
    assert "| kd, 3 seeds | student | 0.500 ± 0.000 | 0.400 ± 0.100 |" in table
    assert "| ce-1 = t-1 |" in table and "kd-22" not in table


@pytest.mark.parametrize(
    ("shown", "by_seed", "low", "words"),
    [
        (False, "0.1 0.2 0.3", -0.1, "no difference shown."),
        (True, "0.1 0.2 0.3", -0.1, "a difference with these seeds, not shown for others."),
        (True, "0.1 0.2 0.3", 0.1, "a difference that holds beyond these seeds."),
        (True, "0.2", None, "a difference with this seed; another may say otherwise."),
    ],
)
def test_what_each_comparison_shows_is_a_line(
    board: Path, shown: bool, by_seed: str, low: float | None, words: str
) -> None:
    name = "delta_macro_f1"
    pair = {
        "set": "all",
        "a": "kd",
        "b": "ce",
        "shown": shown,
        "rising": "ce (+0.062)",
        name: 0.2,
        f"{name}_low": 0.15,
        f"{name}_high": 0.25,
        f"{name}_by_seed": by_seed,
        f"{name}_seeds_low": low,
        f"{name}_seeds_high": low and 0.5,
    }
    other = pair | {"set": "other", "a": "dkd"}
    pd.DataFrame([pair, other]).to_csv(board / "metrics/comparison.csv", index=False)
    table = model_table("all")
    assert "- kd less ce: +0.200 (95 % CI +0.150 to +0.250" in table and "dkd less" not in table
    assert f"): {words} Val still rose when training ended: ce (+0.062)." in table
    assert ("over seeds too" in table) == (low is not None)


def test_a_pair_that_was_not_compared_shows_no_difference(board: Path) -> None:
    why = "not compared: seed 1: train_rows: 50 and 70"
    columns = {"set": "all", "a": "kd", "b": "ce", "delta_macro_f1": None, "shown": None}
    line = columns | {"delta_macro_f1_by_seed": None, "rising": None, "verdict": why}
    pd.DataFrame([line]).to_csv(board / "metrics/comparison.csv", index=False)
    table = model_table("all")
    assert f"- kd and ce: {why}\n" in table
    assert "nan" not in table and "a difference" not in table


def test_methods_are_summed_up_over_seeds() -> None:
    names = ("accuracy", "macro_f1", "minority_f1", "nll_scaled_nats", "ece_scaled")
    lines = [
        {"method": "ce", "metric": name, "seeds": 1, "mean": 0.5, "sd": None} for name in names
    ]
    lines += [
        {"method": "kd", "metric": name, "seeds": 3, "mean": 0.25, "sd": 0.0156} for name in names
    ]
    found = method_table(lines).splitlines()[2:]
    assert found == ["| ce | 1 |" + " 0.500 |" * 5, "| kd | 3 |" + " 0.250 ± 0.016 |" * 5]


def test_an_entry_that_is_another_s_has_no_row_of_its_own_and_words_are_explained(
    board: Path,
) -> None:
    path = board / "metrics/leaderboard.csv"
    frame = pd.read_csv(path)
    again = frame[frame["entry"] == "high"].assign(entry="best_single")
    pd.concat([frame, again]).to_csv(path, index=False)
    table = model_table("all")
    assert "| high = best_single |" in table and table.count("best_single |") == 1
    assert f"- **best_single**: {TERMS['best_single']}" in table
    assert f"- **ECE**: {TERMS['ECE']}" in table and "**mCE**" not in table


def test_the_glossary_holds_the_terms_that_pages_explain(tmp_path: Path) -> None:
    """After a change of terms: fer results --glossary docs/glossary.md"""
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    copy = tmp_path / "glossary.md"
    copy.write_text("before <!-- terms -->old<!-- /terms --> after", encoding="utf-8")
    results(glossary=copy)
    assert f"<!-- terms -->\n{glossary_section()}\n<!-- /terms -->" in page
    assert copy.read_text(encoding="utf-8").startswith("before <!-- terms -->\n\n- **")
    copy.write_text("no marks", encoding="utf-8")
    with pytest.raises(ArtifactError, match="marks are missing"):
        results(glossary=copy)


def test_unknown_set_and_missing_file_are_errors(board: Path) -> None:
    with pytest.raises(ArtifactError, match="none"):
        model_table("none")
    (board / "metrics" / "leaderboard.csv").unlink()
    with pytest.raises(ArtifactError, match=r"leaderboard\.csv"):
        model_table("all")


def test_the_command_starts_without_torch() -> None:
    code = "import sys, fer_cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
