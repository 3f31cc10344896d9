"""Soft labels of any split are those that the run's own weights give."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import entropy
from typer.testing import CliRunner

from fer_cli.main import app
from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.base.params import Params
from fer_core.dataset.pack.rows import Rows, read_rows
from fer_core.evaluation.ensemble.ensemble import read_ensemble
from fer_core.evaluation.inspection.softlabels import fused_split, sharpness
from fer_core.logits.store import read_logits, write_logits
from stages import ensemble, softlabels
from tests.arrange_logits import logits_set
from tests.stages.test_array_stages import halves

__all__ = ["halves"]


@pytest.fixture
def project(halves: tuple[Rows, Rows]) -> tuple[Rows, Rows]:
    ensemble.main()
    return halves


def by_hand(half: str) -> np.ndarray:
    """Probabilities of the chosen weighting, from its numbers."""
    found = read_ensemble(Path("data/ensemble"))
    rows = read_rows(Path(f"data/pack/{half}"))
    how = found.chosen
    total = 0
    for tag, weight in how.weights.items():
        logits = read_logits(Path(f"data/logits/{tag}/{half}"), rows, tag).eval.astype(float)
        scaled = logits / found.temperatures[tag]
        total = total + weight * (
            softmax(scaled, axis=1) if how.space == "prob" else log_softmax(scaled, axis=1)
        )
    logits = np.log(total) if how.space == "prob" else total
    return softmax(logits / how.temperature, axis=1)


@pytest.mark.parametrize(("split", "half"), [("val", "dev"), ("calib", "dev"), ("test", "test")])
def test_logits_of_a_split_are_the_ensembles(
    project: tuple[Rows, Rows], split: str, half: str
) -> None:
    rows = project[half == "test"]
    found = fused_split(Params.load(), split)
    np.testing.assert_allclose(
        softmax(found.logits, axis=1), by_hand(half)[rows.split(split)], atol=1e-9
    )
    assert found.rows["sample_id"].tolist() == [
        rows.frame["sample_id"][i] for i in rows.split(split)
    ]


def test_a_pipeline_without_teachers_has_no_soft_labels(project: tuple[Rows, Rows]) -> None:
    params = Params.load()
    params.values["teachers"] = {}
    with pytest.raises(ParamsError, match=r"(?s)no teachers.*fer profile use"):
        fused_split(params, "val")


def test_train_rows_have_what_students_are_given(project: tuple[Rows, Rows]) -> None:
    softlabels.main()
    stored = np.load("data/softlabels/softlabels.npz")["logits"][:, 0]
    found = fused_split(Params.load(), "train").logits
    np.testing.assert_array_equal(found.astype(np.float16), stored)


def test_export_keeps_the_precision_asked_for_and_inspect_prints(
    project: tuple[Rows, Rows], tmp_path: Path
) -> None:
    for dtype in ("float16", "float32"):
        done = CliRunner().invoke(
            app, ["softlabels", "export", str(tmp_path / dtype), "--split", "val", "--dtype", dtype]
        )
        assert done.exit_code == 0, done.output
        stored = np.load(tmp_path / dtype / "softlabels.npz")
        assert stored["logits"].dtype == dtype and stored["y"].dtype == np.uint8
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("x")
    done = CliRunner().invoke(app, ["softlabels", "export", str(tmp_path / "mine")])
    assert isinstance(done.exception, ParamsError) and (tmp_path / "mine/thesis.tex").exists()
    found = fused_split(Params.load(), "val")
    np.testing.assert_array_equal(stored["logits"], found.logits.astype(np.float32))
    index = pd.read_csv(tmp_path / "float32/softlabels_index.csv")
    assert index["sample_id"].tolist() == found.rows["sample_id"].tolist()
    assert json.loads((tmp_path / "float32/classorder.json").read_text())[0] == "Angry"
    done = CliRunner().invoke(
        app, ["softlabels", "inspect", "--split", "val", "--temperature", "1", "--temperature", "3"]
    )
    assert done.exit_code == 0 and "entropy_p99" in done.output


def test_sharpness_is_numpys_and_scipys(project: tuple[Rows, Rows]) -> None:
    found = fused_split(Params.load(), "val")
    line = sharpness(found, [2.0]).iloc[0]
    p = softmax(found.logits / 2, axis=1)
    assert line["accuracy"] == (p.argmax(1) == found.rows["label"]).mean()
    assert line["max_probability_p01"] == pytest.approx(np.percentile(p.max(1), 1))
    assert line["entropy_mean"] == pytest.approx(entropy(p, axis=1).mean())
    assert line["entropy_std"] == pytest.approx(entropy(p, axis=1).std())


def test_a_teacher_of_another_run_and_a_temperature_of_zero_are_refused(
    project: tuple[Rows, Rows],
) -> None:
    other = dataclasses.replace(
        logits_set(project[1], ("test",), 0, model="tiny_resnet", scale=6), model_sha256="0" * 64
    )
    write_logits(Path("data/logits/tiny_resnet/test"), other)
    with pytest.raises(ArtifactError, match="chosen with other teachers"):
        fused_split(Params.load(), "test")
    for wrong in ("0", "nan", "inf", "-1"):
        command = ["softlabels", "inspect", "--temperature", "2", "--temperature", wrong]
        done = CliRunner().invoke(app, command)
        assert isinstance(done.exception, ParamsError), wrong
        assert f"found: [{float(wrong)}]" in str(done.exception)
