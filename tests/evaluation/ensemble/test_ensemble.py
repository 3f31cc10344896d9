import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.base.files import read_json, write_json
from fer_core.evaluation.ensemble.choosing import choose_ensemble
from fer_core.evaluation.ensemble.ensemble import read_ensemble, write_ensemble
from fer_core.evaluation.ensemble.fusion import EnsembleOptions, GivenWeights
from fer_core.evaluation.ensemble.kinds import RowOrigins
from fer_core.evaluation.ensemble.weight_choice import SmoothWeights
from fer_core.evaluation.metrics.metrics import measure, outcome_of, softmax
from fer_core.logits.store import LogitsSet
from tests.arrange_logits import DEV, logits_set, rows_of
from tests.artifacts import reseal

OPTIONS = EnsembleOptions(spaces=["prob", "logit"], step=0.25, objective="nll")
KINDS = OPTIONS.model_copy(
    update={
        "kinds": ("global", "per_class", "per_source"),
        "fixed_temperatures": (1.2,),
        "folds": 3,
    }
)

TAGS = ("rn18", "b3")


def origins() -> RowOrigins:
    ids = rows_of(DEV).frame.query("split == 'calib'")["sample_id"].tolist()
    return RowOrigins(ids, ["rafdb_basic"] * 240 + ["expw"] * 40, ids)


def calib_logits(skills: dict[str, float] | None = None) -> dict[str, LogitsSet]:
    rows = rows_of(DEV)
    skills = skills or {"rn18": 1.5, "b3": 1.4}
    return {
        tag: logits_set(rows, ("calib",), seed, model=tag, scale=8, skill=skill)
        for seed, (tag, skill) in enumerate(skills.items())
    }


def test_chosen_weights_are_the_best_candidates_and_beat_single_and_uniform_on_calib():
    ensemble, table = choose_ensemble(calib_logits(), OPTIONS, bins=15)
    assert len(table) == 2 * 5
    best = table.loc[table["nll"].idxmin()]
    assert (best["weight_rn18"], best["weight_b3"]) == (
        ensemble.chosen.weights["rn18"],
        ensemble.chosen.weights["b3"],
    )
    assert (
        ensemble.chosen.calib["nll"]
        <= min(ensemble.best_single.calib["nll"], ensemble.uniform.calib["nll"]) + 1e-4
    )
    assert max(ensemble.best_single.weights.values()) == 1
    assert set(ensemble.uniform.weights.values()) == {0.5}


def test_fused_logits_are_calibrated_at_temperature_one():
    calib = calib_logits()
    ensemble, _ = choose_ensemble(calib, OPTIONS, bins=15)
    labels = calib["rn18"].labels
    fused = ensemble.fused({tag: logits.eval for tag, logits in calib.items()})
    nll = [measure(outcome_of(fused, labels, 15, t))["nll"] for t in (0.9, 1, 1.1)]
    assert nll[1] == min(nll)
    assert nll[1] == pytest.approx(ensemble.chosen.calib["nll"], abs=1e-6)
    assert all(4 < t < 16 for t in ensemble.temperatures.values())  # the teachers were scaled by 8


def test_objective_macro_f1_is_obeyed():
    ensemble, table = choose_ensemble(
        calib_logits(),
        EnsembleOptions(spaces=["prob", "logit"], step=0.25, objective="macro_f1"),
        bins=15,
    )
    assert ensemble.chosen.calib["macro_f1"] == pytest.approx(table["macro_f1"].max(), abs=2e-6)


def test_one_teacher_is_an_ensemble_of_one():
    calib = calib_logits({"rn18": 1.5})
    ensemble, table = choose_ensemble(calib, OPTIONS, bins=15)
    assert len(table) == 2
    assert ensemble.chosen.weights == {"rn18": 1}
    scaled = softmax(calib["rn18"].eval, ensemble.temperatures["rn18"])
    np.testing.assert_allclose(
        softmax(ensemble.fused({"rn18": calib["rn18"].eval})), scaled, atol=1e-4
    )


def test_written_and_read_ensemble_is_the_same_and_so_are_the_bytes(tmp_path):
    ensemble, table = choose_ensemble(calib_logits(), OPTIONS, bins=15)
    write_ensemble(tmp_path / "a", ensemble, table)
    write_ensemble(tmp_path / "b", *choose_ensemble(calib_logits(), OPTIONS, bins=15))
    assert read_ensemble(tmp_path / "a") == ensemble
    for name in ("ensemble.json", "search.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("change", ["rows_sha256", "preprocessing_hash", "sample_ids"])
def test_teachers_that_do_not_belong_together_are_refused(change):
    calib = calib_logits()
    other = list(reversed(calib["b3"].sample_ids)) if change == "sample_ids" else "0" * 64
    calib["b3"] = dataclasses.replace(calib["b3"], **{change: other})
    with pytest.raises(ArtifactError, match="cannot be fused"):
        choose_ensemble(calib, OPTIONS, bins=15)


def test_weights_are_never_chosen_on_other_rows_than_calib():
    rows = rows_of(DEV)
    with pytest.raises(ArtifactError, match="calib rows only"):
        choose_ensemble({"rn18": logits_set(rows, ("val", "calib"), 0)}, OPTIONS, bins=15)
    with pytest.raises(ArtifactError, match="no teacher"):
        choose_ensemble({}, OPTIONS, bins=15)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("teachers", ["rn18"]),
        ("chosen", {"space": "prob", "weights": {"rn18": 1.0}, "temperature": 1.0, "calib": {}}),
        ("kinds", {"per_class": {"space": "prob", "weights": {"a": [1.0]}, "temperature": 1.0}}),
        ("kinds", {"per_row": {}}),
        ("temperatures", {"rn18": "hot"}),
    ],
)
def test_damaged_ensemble_is_refused(tmp_path, key, value):
    write_ensemble(tmp_path / "a", *choose_ensemble(calib_logits(), OPTIONS, bins=15))
    file = tmp_path / "a" / "ensemble.json"
    write_json(file, read_json(file) | {key: value})
    with pytest.raises(ArtifactError, match="was changed"):
        read_ensemble(tmp_path / "a")
    reseal(tmp_path / "a")
    with pytest.raises(ArtifactError, match=r"do not fit|does not know"):
        read_ensemble(tmp_path / "a")


def test_smooth_search_is_never_worse_than_the_grid_and_the_grid_is_unchanged():
    for skills in (
        {"rn18": 1.5, "b3": 1.4},
        {"rn18": 1.5, "b3": 0.2},
        {"a": 1.1, "b": 1.2, "c": 0.8},
    ):
        calib = calib_logits(skills)
        coarse = OPTIONS.model_copy(update={"step": 0.5})
        grid, table = choose_ensemble(calib, coarse, bins=15)
        smooth, both = choose_ensemble(
            calib, coarse.model_copy(update={"search": "smooth"}), bins=15
        )
        assert smooth.chosen.calib["nll"] <= grid.chosen.calib["nll"]
        assert both["search"].tolist() == ["grid"] * len(table) + ["smooth"] * 2
        assert both[: len(table)].equals(table)
        assert (smooth.best_single, smooth.uniform.weights) == (
            grid.best_single,
            grid.uniform.weights,
        )
    assert smooth.chosen.calib["nll"] < grid.chosen.calib["nll"] - 1e-4


def test_smooth_search_keeps_the_grids_point_where_the_optimiser_fails(monkeypatch):
    def bad(logits, labels, space, starts):
        return SmoothWeights(np.array([0.0, 1.0]), 1.0, 9.0)

    monkeypatch.setattr("fer_core.evaluation.ensemble.weight_choice.smooth_weights", bad)
    skills = {"rn18": 1.5, "b3": 0.2}
    smooth, _ = choose_ensemble(
        calib_logits(skills), OPTIONS.model_copy(update={"search": "smooth"}), bins=15
    )
    assert smooth.chosen == choose_ensemble(calib_logits(skills), OPTIONS, bins=15)[0].chosen


def test_kinds_of_weights_are_fitted_cross_validated_written_and_read(tmp_path):
    ensemble, table = choose_ensemble(calib_logits(), KINDS, 15, origins())
    assert set(ensemble.kinds) == {"per_class", "per_source"}
    assert set(ensemble.cross_validation) == {"global", "per_class", "per_source"}
    assert ensemble.kinds["per_source"].fallback == {"expw": "40 calib rows, expected 200 or more"}
    write_ensemble(tmp_path / "a", ensemble, table)
    assert read_ensemble(tmp_path / "a") == ensemble


def test_the_other_kinds_change_nothing_of_the_choice():
    ensemble, table = choose_ensemble(calib_logits(), KINDS, 15, origins())
    plain, same = choose_ensemble(calib_logits(), OPTIONS, 15)
    assert (ensemble.chosen, ensemble.uniform, ensemble.best_single) == (
        plain.chosen,
        plain.uniform,
        plain.best_single,
    )
    assert table.equals(same)
    assert (plain.kinds, plain.cross_validation, plain.fixed_temperatures) == ({}, {}, ())


def test_kinds_of_weights_need_to_know_where_rows_come_from():
    with pytest.raises(ArtifactError, match="sources and groups"):
        choose_ensemble(calib_logits(), KINDS, 15)


def test_given_weights_are_kept_as_shares_beside_the_choice_and_change_nothing_of_it(
    tmp_path: Path,
):
    given = {"old": GivenWeights(space="prob", weights={TAGS[0]: 2.0, TAGS[1]: 6.0})}
    ensemble, table = choose_ensemble(
        calib_logits(), OPTIONS.model_copy(update={"weightings": given}), 15
    )
    plain, _ = choose_ensemble(calib_logits(), OPTIONS, 15)
    assert ensemble.given["old"].space == "prob"
    assert ensemble.given["old"].weights == {
        tag: {TAGS[0]: 0.25, TAGS[1]: 0.75}.get(tag, 0.0) for tag in TAGS
    }
    assert ensemble.given["old"].temperature > 0
    assert dataclasses.replace(ensemble, given={}) == plain
    write_ensemble(tmp_path / "a", ensemble, table)
    assert read_ensemble(tmp_path / "a") == ensemble


@pytest.mark.parametrize(
    ("name", "weights", "words"),
    [("old", {"vgg": 1.0}, "teacher that does not exist"), ("rn18", None, "name of a teacher")],
)
def test_given_weights_of_an_unknown_teacher_or_under_its_name_are_refused(
    name: str, weights: dict[str, float] | None, words: str
):
    given = {name: GivenWeights(space="prob", weights=weights or {TAGS[0]: 1.0})}
    with pytest.raises(ParamsError, match=words):
        choose_ensemble(calib_logits(), OPTIONS.model_copy(update={"weightings": given}), 15)


def test_raw_logits_are_fused_at_a_fixed_temperature_without_any_fitted_one():
    calib = calib_logits()
    ensemble, _ = choose_ensemble(calib, OPTIONS, bins=15)
    found = ensemble.fused_uncalibrated(
        {tag: item.eval for tag, item in calib.items()}, ensemble.uniform, 1.2
    )
    raw = [item.eval.astype(float) for item in calib.values()]
    mean = (
        np.mean([softmax(z) for z in raw], axis=0)
        if ensemble.uniform.space == "prob"
        else np.mean(raw, axis=0)
    )
    expected = np.log(mean) if ensemble.uniform.space == "prob" else mean
    np.testing.assert_allclose(softmax(found), softmax(expected, 1.2), atol=1e-9)
