"""One optimiser step: micro-batches, averaged weights, number formats, label smoothing."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from fer_core.base.errors import FerError, ModelError, TrainingError
from fer_core.models.initial.options import ArcFaceOptions
from fer_core.models.networks.arcface import ArcFaceNetwork, arcface_logits
from fer_core.models.networks.backbone import build_classifier
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.passes import Batch, micro_batches
from fer_core.training.loop.step import Trainer
from fer_core.training.loop.task import Task
from fer_core.training.losses.ce import CE
from fer_core.training.students.student import StudentTask
from fer_core.training.teachers.teacher import TeacherTask
from tests.tiny import TRAINING

CPU = torch.device("cpu")
ROWS = np.arange(24)
LABELS = torch.from_numpy(
    np.random.default_rng(0).choice(7, 24, p=[0.4, 0.05, 0.1, 0.2, 0.1, 0.05, 0.1])
)
PLAIN = TRAINING.model_copy(update={"batch": 24})


def images() -> Tensor:
    return torch.randn(24, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def options(**changes: object) -> TrainOptions:
    return TrainOptions.model_validate(PLAIN.model_dump() | changes)


def student(arch: str = "test_vit") -> Task:
    torch.manual_seed(0)
    network = build_classifier(arch, 32).train()
    return StudentTask(network, CE(label_smoothing=0.0), None, lambda epoch: 1)


def teacher(
    weighted: bool = False,
    smoothing: float = 0.0,
    votes: Tensor | None = None,
    scale: float | None = 16.0,
) -> Task:
    torch.manual_seed(0)
    arcface = ArcFaceOptions(margin=0.2, scale=16.0, warmup_epochs=1, ramp_end=2)
    network = ArcFaceNetwork("test_vit", 32, 16, 0.0, scale).train()
    train_labels = LABELS.numpy() if weighted else None
    return TeacherTask(network, arcface, lambda epoch: 1, train_labels, CPU, smoothing, votes)


def step(
    trainer: Trainer, shown: Tensor, epoch: int, number: int, rate: float
) -> tuple[Tensor, Tensor]:
    return trainer.step(trainer.batch(ROWS, LABELS.to(shown.device), epoch, number), shown, rate)


def gradients(task: Task, chosen: TrainOptions, epoch: int = 3) -> tuple[float, int, list[Tensor]]:
    """Loss and right rows of one step, and a tenth of every gradient: Adam's first moment after its
    first step.
    """
    trainer = Trainer(task, chosen, 5, CPU)
    loss, right = step(trainer, images(), epoch, 0, 1e-3)
    return (
        float(loss),
        int(right),
        [state["exp_avg"] for state in trainer.state()["optimiser"]["state"].values()],
    )


def same(one: tuple[float, int, list[Tensor]], other: tuple[float, int, list[Tensor]]) -> bool:
    scale = max(float(tensor.abs().max()) for tensor in one[2])
    near = all(
        torch.allclose(a, b, atol=1e-5 * scale, rtol=1e-4)
        for a, b in zip(one[2], other[2], strict=True)
    )
    return near and one[0] == pytest.approx(other[0], rel=1e-5) and one[1] == other[1]


@pytest.mark.parametrize("accumulation", [2, 4, 12])
def test_micro_batches_give_the_gradients_of_the_whole_batch(accumulation: int) -> None:
    """A vision transformer has no batch normalisation, so its rows know nothing of each other."""
    assert same(
        gradients(student(), PLAIN), gradients(student(), options(accumulation=accumulation))
    )


def test_micro_batches_and_mixup_give_the_gradients_of_the_whole_mixed_batch() -> None:
    mixed = gradients(student(), options(mixup=0.4))
    assert same(mixed, gradients(student(), options(mixup=0.4, accumulation=4)))
    assert not same(mixed, gradients(student(), PLAIN))


def test_every_step_and_epoch_mixes_anew() -> None:
    trainer = Trainer(student(), options(mixup=0.4), 5, CPU)
    losses = {
        (epoch, number): float(step(trainer, images(), epoch, number, 0.0)[0])
        for epoch in (0, 1)
        for number in (0, 1)
    }
    assert len(set(losses.values())) == 4, (
        "the weights stand still at rate 0: only what is mixed differs"
    )
    assert float(step(trainer, images(), 1, 0, 0.0)[0]) == losses[1, 0]


@pytest.mark.parametrize("mixup", [0.0, 0.4])
@pytest.mark.parametrize("epoch", [0, 3], ids=["plain", "arcface"])
def test_class_weights_are_those_of_the_whole_batch_in_every_micro_batch(
    mixup: float, epoch: int
) -> None:
    """The mean of a weighted loss divides by the weights of its rows, which differ from part to
    part. The head's batch normalisation is in groups of a micro-batch, so that it is the same
    either way."""
    whole = gradients(teacher(weighted=True), options(batch_norm_group=6, mixup=mixup), epoch)
    parts = gradients(
        teacher(weighted=True), options(batch_norm_group=6, mixup=mixup, accumulation=4), epoch
    )
    assert same(whole, parts)
    assert not same(whole, gradients(teacher(), options(batch_norm_group=6, mixup=mixup), epoch))


def test_without_groups_micro_batches_change_batch_normalisation() -> None:
    assert not same(gradients(teacher(), PLAIN), gradients(teacher(), options(accumulation=4)))


def test_a_part_of_one_row_joins_the_part_before() -> None:
    assert micro_batches(10, 4) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert micro_batches(9, 4) == [slice(0, 4), slice(4, 9)]
    assert micro_batches(1, 4) == [slice(0, 1)]


def test_averaged_weights_are_those_of_torchs_own_average_and_warm_up() -> None:
    """Oracle: `torch.optim.swa_utils`, which knows nothing of timm's average; it starts at the
    first weights it is shown.
    """
    task = student("test_resnet")

    def warm(old: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
        seen = int(count) - 1  # the first weights are counted too
        share = min(0.3, (1 + seen) / (10 + seen))
        return share * old + (1 - share) * new

    average = AveragedModel(copy.deepcopy(task.network), avg_fn=warm, use_buffers=True)
    average.update_parameters(task.network)
    trainer = Trainer(task, options(ema=0.3), 5, CPU)
    for number in range(5):
        step(trainer, images(), 0, number, 1e-3)
        average.update_parameters(task.network)
    trained = copy.deepcopy(task.network.state_dict())
    with trainer.averaged():
        inside = copy.deepcopy(task.network.state_dict())
    for name, tensor in average.module.state_dict().items():
        if tensor.is_floating_point():
            assert torch.allclose(inside[name], tensor, atol=1e-6), name
    assert all(
        torch.equal(tensor, trained[name]) for name, tensor in task.network.state_dict().items()
    ), "training goes on from its own"
    assert not torch.equal(inside["conv1.0.weight"], trained["conv1.0.weight"])


def test_a_slow_average_has_forgotten_the_random_start_after_an_epoch() -> None:
    task = student("test_resnet")
    first = task.network.state_dict()["fc.weight"].clone()
    trainer = Trainer(task, options(ema=0.999), 5, CPU)
    with torch.no_grad():
        task.network.get_parameter("fc.weight").zero_()
    for number in range(40):
        step(trainer, images(), 0, number, 0.0)
    with trainer.averaged():
        left = task.network.state_dict()["fc.weight"].norm() / first.norm()
    assert left < 1e-4, "a constant decay would leave 96 %"


def test_sgd_is_nesterovs() -> None:
    """Oracle: momentum as Sutskever et al. write it, from gradients alone."""
    task = student()
    trainer = Trainer(task, options(optimizer="sgd", weight_decay=0.1), 5, CPU)
    weight, bias = (task.network.get_parameter(f"head.{name}") for name in ("weight", "bias"))
    velocity: dict[str, Tensor] = {}
    expected = {"weight": weight.detach().clone(), "bias": bias.detach().clone()}
    for number in range(3):
        _, found = trainer._task.loss(
            task.outputs(images(), 0), trainer.batch(ROWS, LABELS, 0, number)
        )
        slope = (found.softmax(1) - functional.one_hot(LABELS, 7)).detach() / len(ROWS)
        features = task.network.forward_head(
            task.network.forward_features(images()), pre_logits=True
        )
        gradient = {
            "weight": slope.T @ features.detach() + 0.1 * expected["weight"],
            "bias": slope.sum(0),
        }
        for name, value in gradient.items():
            velocity[name] = 0.9 * velocity.get(name, 0) + value
            expected[name] -= 0.05 * (value + 0.9 * velocity[name])
        step(trainer, images(), 0, number, 0.05)
        assert torch.allclose(weight, expected["weight"], atol=1e-5)
        assert torch.allclose(bias, expected["bias"], atol=1e-5), "no decay on a bias"


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_restored_optimiser_goes_on_as_if_nothing_had_happened(optimizer: str) -> None:
    chosen = options(
        ema=0.9, mixup=0.4, accumulation=2, batch_norm_group=4, grad_clip=1.0, optimizer=optimizer
    )

    def run(interrupted: bool) -> dict[str, Tensor]:
        task = student("test_resnet")
        trainer = Trainer(task, chosen, 5, CPU)
        for number in range(6):
            if interrupted and number == 3:
                kept = copy.deepcopy(
                    {"network": task.network.state_dict(), "optimiser": trainer.state()}
                )
                task = student("test_resnet")
                trainer = Trainer(task, chosen, 5, CPU)
                task.network.load_state_dict(kept["network"])
                trainer.restore(kept["optimiser"])
            step(trainer, images(), 0, number, 1e-3)
        with trainer.averaged():
            return copy.deepcopy(task.network.state_dict())

    one, other = run(False), run(True)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_label_smoothing_is_torchs() -> None:
    task, smooth = teacher(), teacher(smoothing=0.1)
    plain, logits = task.loss(task.outputs(images(), 0), Batch(ROWS, LABELS, 0, 0))
    smoothed, _ = smooth.loss(smooth.outputs(images(), 0), Batch(ROWS, LABELS, 0, 0))
    soft = 0.9 * functional.one_hot(LABELS, 7) + 0.1 / 7
    assert torch.allclose(smoothed, -(soft * logits.log_softmax(1)).sum(1).mean())
    assert not torch.allclose(smoothed, plain)


def half_votes() -> Tensor:
    """Half of the target is votes, except of the last rows, that nobody voted on."""
    random = np.random.default_rng(3)
    shares = random.dirichlet(np.ones(7), 24).astype(np.float32) * 0.5
    shares[20:] = 0
    return torch.from_numpy(shares)


@pytest.mark.parametrize("weighted", [False, True])
def test_half_votes_are_half_of_the_target_and_have_no_margin(weighted: bool) -> None:
    """Class weights are of whole rows: the label's weight counts for the votes, too."""
    votes = half_votes()
    task, batch = teacher(weighted, votes=votes), Batch(ROWS, LABELS, 3, 0)
    outputs = task.outputs(images(), 3)
    with_margin, without = arcface_logits(outputs, LABELS, 0.2, 16.0), 16.0 * outputs
    of_label = -with_margin.log_softmax(1)[torch.arange(24), LABELS]
    of_votes = -(votes * without.log_softmax(1)).sum(1)
    own = torch.where(torch.arange(24) < 20, 0.5, 1.0)
    weight = 1 / (1 - 0.9999 ** LABELS.bincount()[LABELS]) if weighted else torch.ones(24)
    expected = (weight * (own * of_label + of_votes)).sum() / weight.sum()
    assert torch.allclose(task.loss(outputs, batch)[0], expected)


def test_without_a_margin_votes_are_one_soft_target() -> None:
    votes = half_votes()
    task = teacher(votes=votes, scale=None)
    logits = task.outputs(images(), 3)
    soft = votes + (1 - votes.sum(1, keepdim=True)) * functional.one_hot(LABELS, 7)
    expected = functional.cross_entropy(logits, soft)
    assert torch.allclose(task.loss(logits, Batch(ROWS, LABELS, 3, 0))[0], expected)


def test_no_votes_at_all_are_labels_alone() -> None:
    nobody = teacher(weighted=True, smoothing=0.1, votes=torch.zeros(24, 7))
    plain = teacher(weighted=True, smoothing=0.1)
    assert same(gradients(nobody, PLAIN), gradients(plain, PLAIN))


def test_votes_mixup_class_weights_and_micro_batches_go_together() -> None:
    """Of a mixed image the partner's votes count as the partner's label does."""
    found = [
        gradients(
            teacher(weighted=True, votes=half_votes()),
            options(batch_norm_group=6, mixup=0.4, accumulation=accumulation),
        )
        for accumulation in (1, 4)
    ]
    assert same(*found)
    shuffled = half_votes()[torch.randperm(24, generator=torch.Generator().manual_seed(0))]
    assert not same(
        found[0],
        gradients(teacher(weighted=True, votes=shuffled), options(batch_norm_group=6, mixup=0.4)),
    )


def test_a_teacher_without_an_angular_head_is_plain_from_first_to_last() -> None:
    task = teacher(scale=None)
    assert {task.phase(epoch) for epoch in range(5)} == {"plain"}
    assert task.selectable(0)
    assert "margin" not in task.schedule(3)
    assert not [name for name in task.network.state_dict() if "centres" in name]
    task.network.eval()
    logits = task.network(images())
    assert torch.equal(task.predict(images(), 3), logits)
    expected = functional.cross_entropy(logits, LABELS)
    assert torch.allclose(task.loss(logits, Batch(ROWS, LABELS, 3, 0))[0], expected)


def test_fp16_is_refused_on_the_cpu_with_what_to_do() -> None:
    trainer = Trainer(student(), options(precision="fp16"), 5, CPU)
    with pytest.raises(ModelError, match="bf16 or fp32"):
        step(trainer, images(), 0, 0, 1e-3)


@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_a_scaled_loss_changes_no_gradient_and_its_scale_is_kept(
    monkeypatch: pytest.MonkeyPatch, clip: float
) -> None:
    """The scaling of fp16 with a network in fp32, for scaling can be checked on the CPU and fp16
    cannot.
    """
    monkeypatch.setattr(
        "fer_core.training.loop.step.autocast", lambda device, precision: nullcontext()
    )
    chosen = options(precision="fp16", grad_clip=clip, accumulation=2)
    assert same(gradients(student(), options(grad_clip=clip)), gradients(student(), chosen))
    task = student()
    trainer = Trainer(task, chosen, 5, CPU)
    before = copy.deepcopy(task.network.state_dict())
    step(trainer, images() * torch.inf, 0, 0, 1e-3)
    assert all(
        torch.equal(tensor, before[name]) for name, tensor in task.network.state_dict().items()
    ), "a step that overflows is skipped"
    assert trainer.state()["scaler"]["scale"] == 2.0**15
    again = Trainer(student(), chosen, 5, CPU)
    again.restore(trainer.state())
    assert again.state()["scaler"] == trainer.state()["scaler"]
    for number in range(16):
        trainer.check_scale(3)
        step(trainer, images() * torch.inf, 0, number, 1e-3)
    with pytest.raises(TrainingError, match="not finite in fp16"):
        trainer.check_scale(3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="fp16 training needs a CUDA device")
def test_fp16_learns_and_its_scale_is_kept() -> None:
    cuda = torch.device("cuda")
    task = student("test_resnet")
    task.network.to(cuda)
    trainer = Trainer(task, options(precision="fp16", grad_clip=1.0, ema=0.5), 5, cuda)
    losses = [float(step(trainer, images().to(cuda), 0, number, 1e-2)[0]) for number in range(30)]
    assert losses[-1] < losses[0] * 0.7
    assert trainer.state()["scaler"]["scale"] > 0
    again = Trainer(task, options(precision="fp16", grad_clip=1.0, ema=0.5), 5, cuda)
    again.restore(trainer.state())
    assert again.state()["scaler"] == trainer.state()["scaler"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accumulation": 5}, "accumulation times"),
        ({"accumulation": 24}, "two or more"),
        ({"batch_norm_group": 1}, "batch_norm_group"),
        ({"batch_norm_group": 7}, "batch_norm_group"),
        ({"batch_norm_group": 8, "accumulation": 4}, "batch_norm_group"),
        ({"ema": 1.0}, "less than 1"),
        ({"optimizer": "lion"}, "adamw"),
        ({"schedule": "step"}, "one_cycle"),
        ({"trainable": "tail"}, "norms"),
        ({"select_by": "ece"}, "macro_f1"),
        ({"keep_checkpoints": 5}, "exceed epochs"),
        ({"eval_every": 0}, "eval_every"),
        ({"checkpoint_every": 0}, "checkpoint_every"),
        ({"max_train_batches": -1}, "max_train_batches"),
        ({"max_val_batches": -1}, "max_val_batches"),
        ({"mixup": -0.1}, "greater than or equal to 0"),
        ({"precision": "fp8"}, "fp16"),
    ],
)
def test_options_that_cannot_be_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises((ValueError, FerError), match=words):
        options(**change)
