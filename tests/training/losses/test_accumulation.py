"""Which losses are the same however a batch is worked through in micro-batches, and which say that
they are not.
"""

from pathlib import Path

import pytest
import torch

from fer_core.training.losses.ce import CE
from fer_core.training.losses.dist import DIST
from fer_core.training.losses.dkd import DKD
from fer_core.training.losses.kd import KD
from fer_core.training.losses.mtkd import MTKD
from fer_core.training.losses.nkd import NKD
from fer_core.training.losses.votes import Votes
from fer_core.training.students.loss import Loss, Needs, loss_class

ROWS = 24
LOSSES = [
    CE(label_smoothing=0.1),
    DIST(temperature=2.0, beta=1.0, gamma=1.0),
    DKD(temperature=2.0, alpha=1.0, beta=2.0),
    DKD(temperature=2.0, alpha=1.0, beta=2.0, gate="teacher_right"),
    KD(temperature=2.0, alpha=0.7),
    KD(temperature=2.0, alpha=0.7, gate="teacher_right", standardize=True),
    MTKD(temperature=2.0, alpha=0.7, weighting="confidence", gate="teacher_right"),
    NKD(temperature=1.0, gamma=1.5),
    Votes(share=0.5),
]


def gradient(loss: Loss, parts: int) -> torch.Tensor:
    """Of the logits, with the mean loss of each part weighted by its rows, as a step does it."""
    random = torch.Generator().manual_seed(1)
    logits = torch.randn(ROWS, 7, generator=random, dtype=torch.float64, requires_grad=True)
    shape = (ROWS, 3, 7) if loss.needs is Needs.EACH_TEACHER else (ROWS, 7)
    targets = torch.randn(shape, generator=random) * 2
    if loss.needs is Needs.VOTES:
        targets = targets.softmax(-1)
        targets[:5] = 0
    labels = torch.randint(0, 7, (ROWS,), generator=random)
    for some in torch.arange(ROWS).chunk(parts):
        (loss(logits[some], targets[some], labels[some]) * len(some) / ROWS).backward()
    assert logits.grad is not None
    return logits.grad


@pytest.mark.parametrize(
    "loss", LOSSES, ids=lambda loss: f"{loss.name} {getattr(loss, 'gate', '')}"
)
def test_a_loss_says_whether_micro_batches_change_it(loss: Loss) -> None:
    equal = torch.allclose(gradient(loss, 1), gradient(loss, 4), atol=1e-6)
    assert equal != loss.relates_rows


def test_every_loss_is_looked_at() -> None:
    folder = Path(__file__).parents[3] / "fer_core" / "training" / "losses"
    files = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert {type(loss) for loss in LOSSES} == {loss_class(name) for name in files}


def test_parts_that_look_at_a_micro_batch_are_named() -> None:
    assert LOSSES[0].of_micro_batch == []
    assert LOSSES[1].of_micro_batch == ["dist"]
    terms = {"negl": {"weight": 0.1}, "lp": {"weight": 0.1}, "proto": {"weight": 0.1}}
    assert CE(label_smoothing=0.0, **terms).of_micro_batch == ["negl", "proto", "lp"]
