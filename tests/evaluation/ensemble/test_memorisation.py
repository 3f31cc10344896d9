import dataclasses

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.ensemble.choosing import choose_ensemble
from fer_core.evaluation.ensemble.ensemble import Ensemble
from fer_core.evaluation.ensemble.fusion import EnsembleOptions
from fer_core.evaluation.ensemble.targets import fused_targets, memorisation, memorised
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.logits.store import LogitsSet
from tests.arrange_logits import DEV, K, logits_set, rows_of

ROWS = rows_of(DEV)
TRAIN, CALIB = ROWS.split("train"), ROWS.split("calib")


def arrange(extra: float = 0.0) -> tuple[dict[str, LogitsSet], Ensemble]:
    """Two teachers; `extra` is added to b3's logit of the label on train rows, as if it knew them
    by heart.
    """
    dev = {
        tag: logits_set(ROWS, ("train", "val", "calib"), seed, model=tag, views=True)
        for seed, tag in enumerate(["rn18", "b3"])
    }
    one_hot = np.eye(7, dtype=np.float16)[ROWS.labels[TRAIN]]
    eval_view = dev["b3"].eval.copy()
    eval_view[TRAIN] += np.float16(extra) * one_hot
    dev["b3"] = dataclasses.replace(
        dev["b3"], eval=eval_view, views=dev["b3"].views + np.float16(extra) * one_hot[:, None]
    )
    calib = {tag: logits.only("calib") for tag, logits in dev.items()}
    return dev, choose_ensemble(
        calib, EnsembleOptions(spaces=["logit"], step=0.5, objective="nll"), 15
    )[0]


def test_numbers_are_those_of_scikit_learn():
    dev, ensemble = arrange()
    targets = fused_targets(dev, ensemble)
    table = memorisation(dev, ensemble, targets)
    assert [row["model"] for row in table] == ["rn18", "b3", "ensemble"]
    b3, fused = table[1], table[2]
    labels, temperature = ROWS.labels[TRAIN], ensemble.temperatures["b3"]
    repeated = np.repeat(labels, K)
    views = softmax(dev["b3"].views.reshape(-1, 7), temperature)
    assert b3["train_views"]["nll"] == pytest.approx(
        log_loss(repeated, views, labels=range(7)), abs=1e-5
    )
    assert b3["train_views"]["accuracy"] == pytest.approx(
        accuracy_score(repeated, views.argmax(1)), abs=1e-6
    )
    assert b3["train"]["nll"] == pytest.approx(
        log_loss(labels, softmax(dev["b3"].eval[TRAIN], temperature), labels=range(7)), abs=1e-5
    )
    assert b3["calib"]["nll"] == pytest.approx(
        log_loss(ROWS.labels[CALIB], softmax(dev["b3"].eval[CALIB], temperature), labels=range(7)),
        abs=1e-5,
    )
    assert fused["train_views"]["nll"] == pytest.approx(
        log_loss(repeated, softmax(targets[:, 1:].reshape(-1, 7)), labels=range(7)), abs=1e-5
    )
    assert fused["calib"]["nll"] == pytest.approx(ensemble.chosen.calib["nll"], abs=1e-6)
    assert b3["train_to_calib"] == pytest.approx(
        b3["train_views"]["nll"] / b3["calib"]["nll"], abs=1e-5
    )
    assert (b3["train"]["faces"], b3["calib"]["faces"]) == (60, 280)


def test_a_teacher_that_knows_train_rows_by_heart_is_named_and_no_other():
    dev, ensemble = arrange(extra=6.0)
    found = memorised(memorisation(dev, ensemble, fused_targets(dev, ensemble)))
    assert any(text.startswith("b3 has learnt train rows by heart") for text in found)
    assert not any(text.startswith("rn18") for text in found)
    honest = arrange()
    assert memorised(memorisation(*honest, fused_targets(*honest))) == []


def test_the_number_of_folds_goes_with_the_logits():
    dev, ensemble = arrange()
    dev["b3"] = dataclasses.replace(dev["b3"], fold_sha256=("1", "2"))
    assert [row["folds"] for row in memorisation(dev, ensemble, fused_targets(dev, ensemble))] == [
        0,
        2,
        0,
    ]


def test_views_and_rows_are_needed():
    dev, ensemble = arrange()
    targets = fused_targets(dev, ensemble)
    with pytest.raises(ArtifactError, match="stored views"):
        memorisation(
            {tag: dataclasses.replace(logits, views=None) for tag, logits in dev.items()},
            ensemble,
            targets,
        )
    with pytest.raises(ArtifactError, match="rows of both"):
        memorisation({tag: logits.only("train") for tag, logits in dev.items()}, ensemble, targets)
