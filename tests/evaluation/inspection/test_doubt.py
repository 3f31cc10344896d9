"""Doubted labels are those that confident learning's rule finds, and a sheet shows them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fer_cli.data import doubts as command
from fer_cli.main import app
from fer_core.base.errors import ParamsError
from fer_core.base.labels import CLASSES
from fer_core.base.params import Params
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.inspection.doubt import check_not_learned, doubted_labels, label_doubts
from fer_core.evaluation.inspection.softlabels import Fused
from tests.tiny import dev_splits, write_half


def by_hand(probabilities: np.ndarray, labels: np.ndarray) -> list[int]:
    """Row by row, as the paper words it."""
    thresholds = {
        c: np.mean([p[c] for p, y in zip(probabilities, labels, strict=True) if y == c])
        for c in set(labels.tolist())
    }
    found = []
    for p in probabilities:
        able = [c for c, threshold in sorted(thresholds.items()) if p[c] >= threshold]
        found.append(max(able, key=lambda c: p[c]) if able else -1)
    return found


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_the_rule_is_the_papers(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(7), count)
    labels = random.integers(0, 7, count)
    assert label_doubts(probabilities, labels).tolist() == by_hand(probabilities, labels)


def fused(rows: pd.DataFrame, seen: np.ndarray, folds: int = 0) -> Fused:
    """Teachers that see the class `seen` in each row, with some doubt."""
    logits = np.random.default_rng(0).normal(0, 0.05, (len(rows), 7))
    logits[np.arange(len(rows)), seen] += 4
    return Fused(rows, logits, folds)


def test_labels_that_were_changed_are_found() -> None:
    true = np.arange(700) % 7
    labels = true.copy()
    changed = np.random.default_rng(1).choice(700, 35, replace=False)
    labels[changed] = (labels[changed] + 1) % 7
    rows = pd.DataFrame(
        {"sample_id": [f"a/{n:03}" for n in range(700)], "source": "a", "label": labels}
    )
    table = doubted_labels(fused(rows, true))
    assert sorted(table["sample_id"]) == sorted(f"a/{n:03}" for n in changed)
    told = table.set_index("sample_id").loc[f"a/{changed[0]:03}"]
    assert told["label"] == CLASSES[labels[changed[0]]]
    assert told["suggested"] == CLASSES[true[changed[0]]]
    assert told["suggested_probability"] > 0.7 > 0.1 > told["label_probability"]
    gap = table["suggested_probability"] - table["label_probability"]
    assert gap.is_monotonic_decreasing


def test_labels_that_teachers_learned_are_not_judged() -> None:
    empty = fused(pd.DataFrame({"label": []}), np.zeros(0, dtype=int))
    with pytest.raises(ParamsError, match=r"teacher\.folds(.|\n)*--split val"):
        check_not_learned(empty, "train")
    check_not_learned(empty, "val")
    check_not_learned(Fused(empty.rows, empty.logits, 5), "train")


def test_the_sheet_shows_the_pictures_and_the_table_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("{}")
    write_half(Path("data/pack/dev"), dev_splits(train=70, val=14, calib=7), seed=1)
    dev = read_rows(Path("data/pack/dev"))
    frame = dev.frame.iloc[dev.split("train")].reset_index(drop=True)
    seen = frame["label"].to_numpy(dtype=int)
    seen[:3] = (seen[:3] + 2) % 7
    answers = fused(frame[["sample_id", "source", "label"]], seen, folds=2)

    def asked(params: Params, split: str) -> Fused:
        assert split == "train"
        return answers

    monkeypatch.setattr(command, "fused_split", asked)
    done = CliRunner().invoke(app, ["data", "doubts", "out"])
    assert done.exit_code == 0, done.output
    assert "3 of 70 labels are doubted" in done.output and ", perhaps " in done.output
    table = pd.read_csv("out/doubts.csv")
    assert sorted(table["sample_id"]) == sorted(frame["sample_id"][:3])
    page = Path("out/sheet.html").read_text()
    assert page.count("data:image/jpeg") == 3
    assert all(name in page for name in table["sample_id"])
    again = CliRunner().invoke(app, ["data", "doubts", "out"])
    assert again.exit_code == 1 and "there already" in str(again.output) + str(again.exception)
