"""`fer tta` says on every named test set what averaging changes, and changes nothing."""

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fer_cli.main import app
from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_file
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.inspection.averaged import averaged_logits
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation, record_evaluation
from tests.arrange_logits import logits_set
from tests.exports import save_tiny, write_test_pack

PARAMS = """
seed: 1
evaluation: {bootstrap: 100, bins: 15, compare_set: all}
"""
DEV, TEST = Path("data/pack/dev"), Path("data/pack/test")
MODEL = Path("data/students/kd-1/model")


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Stored logits of the test rows, in a project with a tiny student."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    save_tiny(MODEL)
    write_test_pack(TEST, 28)
    write_test_pack(DEV, 84, ("train", "calib", "val"))
    dev, test = read_rows(DEV), read_rows(TEST)
    half = np.arange(28) < 14
    network = Evaluation(
        "kd-1",
        "student",
        logits_set(dev, ("train", "val", "calib"), 1, model="kd-1", dtype="float32"),
        logits_set(test, ("test",), 2, model="kd-1", dtype="float32"),
        sets={"all": np.ones(28, dtype=bool), "half": half},
        metrics={},
        budget={},
        cluster_of={},
    )
    options = EvaluationOptions(bootstrap=100, bins=15, compare_set="all")
    record_evaluation(Path("data/evaluation/kd-1"), network, dev, test, options, 1)
    return network.test.eval.astype(np.float64)


def hashes() -> dict[str, str]:
    return {str(path): sha256_file(path) for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize("over", ["flip", "ten_crop"])
def test_the_change_of_accuracy_on_each_named_set_is_told(plain: np.ndarray, over: str) -> None:
    before = hashes()
    done = CliRunner().invoke(app, ["tta", "kd-1", "--over", over])
    assert done.exit_code == 0, done.output
    assert hashes() == before
    labels = read_rows(TEST).labels
    averaged = averaged_logits(MODEL, Pack.open(TEST), over)  # type: ignore[arg-type]
    gain = (averaged.argmax(1) == labels).astype(float) - (plain.argmax(1) == labels)
    told = dict(
        re.findall(rf"^(\w+), \d+ rows, {over} minus plain: accuracy (\S+) ", done.output, re.M)
    )
    assert told == {"all": f"{gain.mean():+.4f}", "half": f"{gain[:14].mean():+.4f}"}


def test_a_model_that_is_not_there_is_an_error_that_says_where_it_was_looked_for(
    plain: np.ndarray,
) -> None:
    done = CliRunner().invoke(app, ["tta", "kd-2"])
    assert isinstance(done.exception, ArtifactError)
    assert re.search(r"where: kd-2[\s\S]*students/kd-2/model[\s\S]*fer run", str(done.exception))
