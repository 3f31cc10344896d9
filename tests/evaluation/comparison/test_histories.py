import pandas as pd
import pytest

from fer_core.evaluation.comparison.histories import late_gain, unfinished


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
