"""Terms added to a student's loss: what the network really computes, activity for the history,
memory across a restart.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import timm
import torch

from fer_core.base.errors import ParamsError, TrainingError
from fer_core.training.loop.frozen import freeze, hold_frozen
from fer_core.training.loop.passes import Batch
from fer_core.training.losses.ce import CE
from fer_core.training.losses.kd import KD
from fer_core.training.losses.votes import Votes
from fer_core.training.students.negl import negative_loss
from fer_core.training.students.student import StudentTask
from fer_core.training.students.terms import Auxiliary

ROWS = 24
LABELS = np.arange(ROWS, dtype=np.int8) % 7
NEGL = {"weight": 0.5, "ratio": 1.0, "min_entropy": 0.0}


def network(arch: str = "test_resnet") -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model(arch, num_classes=7)


def task(
    net: torch.nn.Module, targets: torch.Tensor | None = None, **terms: Mapping[str, Any]
) -> StudentTask:
    options = (
        CE(label_smoothing=0, **terms) if targets is None else KD(temperature=2, alpha=0.5, **terms)
    )
    auxiliary = (
        Auxiliary(options, net, LABELS, np.arange(ROWS), targets, seed=3, epochs=4)
        if options.has_auxiliary
        else None
    )
    return StudentTask(net, options, targets, lambda epoch: 1, auxiliary)


def targets_of() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(0, 2, (ROWS, 3, 7)).astype(np.float16))


def loss_of(one: StudentTask, epoch: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    one.network.train()
    images = torch.from_numpy(
        np.random.default_rng(2).normal(size=(ROWS, 3, 32, 32)).astype(np.float32)
    )
    outputs = one.outputs(images, epoch)
    labels = torch.from_numpy(LABELS.astype(np.int64))
    return one.loss(outputs, Batch(np.arange(ROWS), labels, epoch, 0))


@pytest.mark.parametrize(
    "arch",
    ["test_resnet", "test_efficientnet", "test_convnext2", "test_vit", "mobilenetv3_small_050"],
)
def test_features_are_what_the_classifier_is_given(arch: str) -> None:
    net = network(arch)
    one = task(net, lp={"weight": 1.0})
    net.train()
    images = torch.from_numpy(
        np.random.default_rng(2).normal(size=(4, 3, 160, 160)).astype(np.float32)
    )
    outputs = one.outputs(images, 0)
    logits, features = outputs[:, :7], outputs[:, 7:]
    assert features.shape[1] == net.get_classifier().in_features
    net.eval()
    torch.testing.assert_close(net.get_classifier()(features), logits)
    with torch.no_grad():
        one.predict(images, 0)
        assert one.outputs(images, 0).shape[1] == 7, "evaluation keeps no features"


@pytest.mark.parametrize("part", ["all", "head", "norms", "affine", "last"])
def test_terms_see_the_features_whatever_part_learns(part: str) -> None:
    """A frozen classifier is in evaluation mode; the features are still those of training."""
    net = network()
    one = task(net, lp={"weight": 1.0}, proto={"weight": 1.0, "gate": "topk", "share": 0.5})
    freeze(net, part)
    net.train()
    hold_frozen(net, part)
    images = torch.from_numpy(
        np.random.default_rng(2).normal(size=(ROWS, 3, 32, 32)).astype(np.float32)
    )
    outputs = one.outputs(images, 0)
    assert outputs.shape[1] == 7 + net.get_classifier().in_features
    labels = torch.from_numpy(LABELS.astype(np.int64))
    loss, logits = one.loss(outputs, Batch(np.arange(ROWS), labels, 0, 0))
    terms = loss - torch.nn.functional.cross_entropy(logits, labels)
    assert terms > 1e-3


def test_terms_add_up() -> None:
    plain, _ = loss_of(task(network()))
    parts = {"negl": NEGL, "proto": {"weight": 0.3}, "lp": {"weight": 0.01, "neighbours": 2}}
    single = [
        loss_of(task(network(), **{name: values}))[0] - plain for name, values in parts.items()
    ]
    whole, logits = loss_of(task(network(), **parts))
    torch.testing.assert_close(whole - plain, sum(single))
    assert logits.shape == (ROWS, 7)
    assert single[0] > 0
    assert single[1] == 0, "the memory is empty at first"
    assert single[2] > 0


def test_teacher_guided_negatives_are_the_teachers_likeliest_mistakes() -> None:
    targets = torch.full((ROWS, 3, 7), -30.0, dtype=torch.float16)
    wrong = (LABELS.astype(np.int64) + 2) % 7
    targets[torch.arange(ROWS), :, torch.from_numpy(wrong)] = 30.0
    for kind in ("teacher", "confusion"):
        net = network()
        plain, logits = loss_of(task(net, targets))
        guided, _ = loss_of(task(network(), targets, negl={**NEGL, "negatives": kind}))
        torch.testing.assert_close(
            guided - plain, 0.5 * negative_loss(logits, torch.from_numpy(wrong)).mean()
        )


def test_teacher_guided_negatives_want_targets() -> None:
    with pytest.raises(ParamsError, match="guided by a teacher only where there are targets"):
        task(network(), negl={**NEGL, "negatives": "teacher"})


def test_votes_are_no_teacher_to_guide_by() -> None:
    assert CE(label_smoothing=0, negl={**NEGL, "negatives": "confusion"}).guided
    assert not CE(label_smoothing=0, negl=NEGL).guided
    assert not Votes(share=0.5, negl=NEGL).guided
    with pytest.raises(ValueError, match="negatives must be uniform"):
        Votes(share=0.5, negl={**NEGL, "negatives": "teacher"})


def test_activity_is_told_once_an_epoch() -> None:
    one = task(
        network(),
        negl={**NEGL, "ratio": 0.5},
        proto={"weight": 1, "gate": "topk", "share": 0.25},
        lp={"weight": 1},
    )
    loss_of(one)
    loss_of(one)
    found = one.activity()
    assert set(found) == {
        "negl_applied",
        "negl_entropy",
        "negl_loss",
        "proto_applied",
        "proto_cosine",
        "lp_included",
    }
    assert 0.2 < found["negl_applied"] < 0.8
    assert found["proto_applied"] == pytest.approx(0.125), (
        "nothing in the first batch, a quarter of the second"
    )
    assert found["lp_included"] == 1
    assert one.activity() == {}


def test_entropy_gate_keeps_sure_rows_out() -> None:
    one = task(network(), negl={**NEGL, "min_entropy": 1.0})
    plain, _ = loss_of(task(network()))
    torch.testing.assert_close(loss_of(one)[0], plain)
    assert one.activity()["negl_applied"] == 0


def test_confidence_gate_keeps_sure_rows_out() -> None:
    one = task(network(), negl={**NEGL, "max_confidence": 1e-6})
    loss_of(one)
    assert one.activity()["negl_applied"] == 0


def test_a_class_has_a_share_of_its_own() -> None:
    one = task(network(), negl={**NEGL, "class_ratios": dict.fromkeys(["Fear", "Sad"], 0.0)})
    loss_of(one)
    kept = np.isin(LABELS, [2, 4], invert=True).mean()
    assert one.activity()["negl_applied"] == pytest.approx(kept)


def test_a_run_stops_where_negative_learning_has_died() -> None:
    one = task(network(), negl={**NEGL, "min_entropy": 1.0, "least_applied": 0.01})
    loss_of(one)
    with pytest.raises(TrainingError, match="no longer does anything"):
        one.activity()


@pytest.mark.parametrize("gate", ["none", "learnt"])
def test_a_run_stops_where_negative_learning_runs_away(gate: str) -> None:
    one = task(network(), negl={**NEGL, "gate": gate})
    loss_of(one)
    found = one.activity()["negl_loss"]
    assert found > 0
    calm = task(network(), negl={**NEGL, "gate": gate, "most_loss": 1.01 * found})
    loss_of(calm)
    calm.activity()
    wild = task(network(), negl={**NEGL, "gate": gate, "most_loss": 0.99 * found})
    loss_of(wild)
    with pytest.raises(TrainingError, match=r"runs away[\s\S]*negl.most_loss"):
        wild.activity()


def test_the_learnt_gate_weighs_rows_and_dies_as_nothing_holds_it() -> None:
    """What the original's did; `least_applied` is there to see it."""
    net = network()
    one = task(net, negl={**NEGL, "gate": "learnt"})
    shares = []
    for step in range(60):
        loss_of(one, step % 4)[0].backward()
        shares.append(one.activity()["negl_gate"])
    assert 0.3 < shares[0] < 0.7
    assert shares[-1] < 0.9 * shares[0]


def test_the_learnt_gate_is_resumed() -> None:
    one = task(network(), negl={**NEGL, "gate": "learnt"})
    loss_of(one)[0].backward()
    other = task(network(), negl={**NEGL, "gate": "learnt"})
    other.restore(one.state())
    assert torch.equal(loss_of(other, 1)[0], loss_of(one, 1)[0])
    fresh = task(network(), negl={**NEGL, "gate": "learnt"})
    assert not torch.equal(loss_of(fresh, 1)[0], loss_of(one, 1)[0])


def test_memory_survives_a_restart() -> None:
    first = task(network(), proto={"weight": 1})
    loss_of(first)
    second = task(network(), proto={"weight": 1})
    second.restore(first.state())
    second.network.load_state_dict(first.network.state_dict())
    forgetful = task(network(), proto={"weight": 1})
    forgetful.network.load_state_dict(first.network.state_dict())
    expected = loss_of(first)[0]
    assert torch.equal(loss_of(second)[0], expected)
    assert not torch.equal(loss_of(forgetful)[0], expected)


def test_images_are_not_mixed_beside_further_terms() -> None:
    assert task(network()).mixable
    assert not task(network(), lp={"weight": 1}).mixable
