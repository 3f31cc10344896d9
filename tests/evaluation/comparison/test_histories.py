from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.comparison.histories import late_gain, read_history, unfinished


def curve(*scores: float) -> pd.DataFrame:
    return pd.DataFrame({"epoch": range(len(scores)), "val_macro_f1": scores})


def test_gain_is_that_of_the_last_quarter_over_the_one_before() -> None:
    assert late_gain(curve(0, 0, 0, 0, 0.4, 0.5, 0.6, 0.8)) == pytest.approx(
        (0.6 + 0.8) / 2 - (0.4 + 0.5) / 2
    )
    assert late_gain(curve(0.1, 0.5, 0.55)) == pytest.approx(0.05), (
        "a quarter of three epochs is one"
    )
    assert late_gain(curve(0.7)) == 0


def test_methods_that_still_rise_are_named_by_their_mean_over_seeds_and_flat_ones_are_not() -> None:
    flat, rising, falling = (
        curve(0.1, 0.5, 0.6, 0.602),
        curve(0.1, 0.2, 0.4, 0.5),
        curve(0.1, 0.5, 0.6, 0.4),
    )
    text = unfinished({"ce": [rising, flat], "kd": [flat, flat], "dkd": [rising, falling]})
    assert text is not None
    assert "ce (+0.051)" in text
    assert "kd" not in text
    assert unfinished({"ce": [flat], "kd": [falling]}) is None


def test_epochs_after_which_val_rows_were_not_looked_at_have_no_scores(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"epoch": range(4), "phase": "ce", "train_loss": 1.0, "train_accuracy": 0.5}
    )
    scores = [np.nan, 0.2, np.nan, 0.5]
    for name in ("val_accuracy", "val_macro_f1", "val_nll"):
        table[name] = scores
    table.to_csv(tmp_path / "history.csv", index=False)
    assert late_gain(read_history(tmp_path)) == pytest.approx(0.3)
    for change in ({"val_nll": np.nan}, {"val_nll": scores[::-1]}, {"train_loss": scores}):
        table.assign(**change).to_csv(tmp_path / "history.csv", index=False)
        with pytest.raises(ArtifactError, match="finite"):
            read_history(tmp_path)
    nowhere = table.assign(val_accuracy=np.nan, val_macro_f1=np.nan, val_nll=np.nan)
    nowhere.to_csv(tmp_path / "history.csv", index=False)
    with pytest.raises(ArtifactError, match="finite"):
        read_history(tmp_path)
