"""The part of the trust page about pictures of another kind."""

from itertools import pairwise

import numpy as np
import pytest

from bench.fer2013_project import rendered
from fer_core.evaluation.metrics.deployed import Answers
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.evaluation.selective.options import SelectiveOptions
from fer_core.evaluation.selective.report import fit, measure_selective
from tests.evaluation.selective.test_selective import EVALUATION


def answers(count: int, skill: float) -> Answers:
    rng, labels = np.random.default_rng(count), np.arange(count) % 7
    p = softmax(rng.normal(size=(count, 7)) + skill * np.eye(7)[labels])
    return Answers([f"a/{i}" for i in range(count)], labels, p, np.arange(count) // 2)


@pytest.mark.parametrize("risks", [(0.2, 0.4), (0.0001, 0.4)])
def test_thresholds_of_calib_rows_are_told_for_other_pictures(risks: tuple[float, float]) -> None:
    options = SelectiveOptions(risks=risks, auto=0.4)
    calib, other = answers(280, 3.0), answers(140, 1.5)
    found = measure_selective(other, calib, fit(calib, options), options, EVALUATION, 1)
    text = rendered("trust_elsewhere.md.j2", found={"pictures": 150} | found)
    assert "finds a face in 140 of 150" in text
    assert f"{found['error']['value']:.3f} (" in text
    assert f"| 40 % | {found['abstain']['0.4']['threshold']:.3f} |" in text
    assert ("at no threshold" in text) == (risks[0] == 0.0001)
    for above, line in pairwise(text.splitlines()):
        if above.startswith("|") and line.startswith("|"):
            assert above.count("|") == line.count("|"), line
