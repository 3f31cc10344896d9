import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from fer_core.training.loop.scores import val_scores


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 40), present=st.integers(1, 7))
def test_scores_are_those_of_scikit_learn(seed, rows, present):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(7, 0.3), rows) * 0.99 + 0.01 / 7
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    truth = rng.integers(0, present, rows).astype(np.int8)
    predicted, classes = probabilities.argmax(axis=1), list(range(7))
    found = val_scores(probabilities, truth)
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert found["macro_f1"] == pytest.approx(
        f1_score(truth, predicted, labels=classes, average="macro", zero_division=0)
    )
    assert found["nll"] == pytest.approx(log_loss(truth, probabilities, labels=classes))
