"""The ensemble's answers for further faces, and their place beside the soft labels."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError, DataError
from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.ensemble.choosing import choose_ensemble
from fer_core.evaluation.ensemble.ensemble import Ensemble
from fer_core.evaluation.ensemble.fusion import EnsembleOptions
from fer_core.evaluation.ensemble.targets import fused_targets, teacher_targets
from fer_core.evaluation.ensemble.teaching import PLAIN, TargetOptions, Teaching
from fer_core.evaluation.unlabelled.answers import Answered, answer
from fer_core.logits.store import LogitsSet
from tests.arrange_logits import DEV, K, logits_set, rows_of

ROWS = rows_of(DEV)
SPLITS = ("train", "val", "calib")


def logits_of_train(dev: dict[str, LogitsSet]) -> dict[str, LogitsSet]:
    """Of the train rows alone, as if these had no labels."""
    train = ROWS.split("train")
    return {
        tag: replace(
            of_one,
            covers=("train",),
            sample_ids=[of_one.sample_ids[row] for row in train],
            eval=of_one.eval[train],
        )
        for tag, of_one in dev.items()
    }


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, LogitsSet], Ensemble]:
    dev = {
        tag: logits_set(ROWS, SPLITS, seed, model=tag, views=True, scale=6)
        for seed, tag in enumerate(["rn18", "b3"])
    }
    calib = {tag: of_one.only("calib") for tag, of_one in dev.items()}
    options = EnsembleOptions(spaces=["prob"], step=0.5, objective="nll")
    return dev, choose_ensemble(calib, options, 15)[0]


@pytest.mark.parametrize("options", [{}, {"average": "views"}, {"weights": "b3"}])
def test_faces_get_what_they_would_get_as_train_rows(made: Any, options: dict[str, str]) -> None:
    dev, ensemble = made
    how = Teaching(TargetOptions.model_validate(options))
    found = answer(logits_of_train(dev), ensemble, how, 0.0)
    np.testing.assert_array_equal(found.logits, fused_targets(dev, ensemble, how))
    expected = teacher_targets(dev, ensemble, how)
    assert found.of_teachers.keys() == expected.keys()
    for tag, values in expected.items():
        np.testing.assert_array_equal(found.of_teachers[tag], values)
    assert found.labels.tolist() == found.logits[:, 0].argmax(axis=1).tolist()


def test_faces_that_the_ensemble_is_not_sure_of_are_left_out(made: Any) -> None:
    dev, ensemble = made
    everyone = answer(logits_of_train(dev), ensemble, PLAIN, 0.0)
    least = float(np.median(everyone.confidence))
    found = answer(logits_of_train(dev), ensemble, PLAIN, least)
    sure = everyone.confidence >= least
    assert 0 < sum(sure) < len(sure)
    assert found.sample_ids == [
        key for key, is_sure in zip(everyone.sample_ids, sure, strict=True) if is_sure
    ]
    np.testing.assert_array_equal(found.logits, everyone.logits[sure])
    np.testing.assert_array_equal(found.of_teachers["b3"], everyone.of_teachers["b3"][sure])
    with pytest.raises(DataError, match=r"sure enough[\s\S]*min_confidence"):
        answer(logits_of_train(dev), ensemble, PLAIN, 0.9999)


def test_answers_of_other_teachers_are_refused(made: Any) -> None:
    dev, ensemble = made
    other = logits_of_train(dev)
    other["b3"] = replace(other["b3"], model_sha256="0" * 64)
    with pytest.raises(ArtifactError, match="other teachers"):
        answer(other, ensemble, PLAIN, 0.0)


def test_soft_labels_and_answers_come_in_the_order_of_the_rows_of_both() -> None:
    random = np.random.default_rng(0)

    def some(names: list[str]) -> Answered:
        logits = random.normal(size=(len(names), K + 1, 7)).astype(np.float16)
        return Answered(names, logits, {"b3": logits * 2, "rn18": logits * 3})

    known, new = some(["a", "c", "e"]), some(["b", "f"])
    soft: Any = SimpleNamespace(
        logits=known.logits,
        teachers=("b3", "rn18"),
        of_teachers=np.stack([known.logits * 2, known.logits * 3], axis=2),
    )

    def rows(names: str, splits: str) -> Rows:
        words = {"t": "train", "v": "val"}
        split = [words[letter] for letter in splits]
        return Rows(pd.DataFrame({"sample_id": list(names), "split": split}), "")

    both = new.beside(soft, rows("acde", "ttvt"), rows("abcdef", "tttvtt"))
    assert both.sample_ids == list("abcef")
    expected = np.concatenate([known.logits, new.logits])[[0, 3, 1, 2, 4]]
    np.testing.assert_array_equal(both.logits, expected)
    np.testing.assert_array_equal(both.of_teachers["rn18"], expected * 3)
    for wrong in (rows("abcde", "tttvt"), rows("abcdeg", "tttvtt")):
        with pytest.raises(ArtifactError, match="not the labelled and the unlabelled"):
            new.beside(soft, rows("acde", "ttvt"), wrong)
