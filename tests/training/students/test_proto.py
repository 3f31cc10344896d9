"""The prototype memory against a loop written by hand."""

import numpy as np
import pytest
import torch

from fer_core.training.students.proto import ProtoOptions, Prototypes


def batch(seed: int, rows: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.normal(0.5, 1, (rows, 5))).float(), torch.from_numpy(
        random.integers(0, 4, rows)
    )


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("gate", ["fixed", "topk"])
def test_loss_gate_and_memory_are_those_of_a_loop(gate: str) -> None:
    options = ProtoOptions(weight=1, momentum=0.8, gate=gate, threshold=0.5, share=0.25)
    prototypes, memory = Prototypes(options), {}
    for seed in range(4):
        features, labels = batch(seed)
        x, y = unit(features.numpy()), labels.tolist()
        cosine = [
            float(a @ unit(memory[c])) if c in memory else None for a, c in zip(x, y, strict=True)
        ]
        inconsistency = [None if c is None else 1 - c for c in cosine]
        known = [i for i, value in enumerate(inconsistency) if value is not None]
        if gate == "fixed":
            chosen = {i for i in known if inconsistency[i] > 0.5}
        else:
            chosen = set(sorted(known, key=lambda i: -inconsistency[i])[:5])
        loss, gated, seen_cosine = prototypes.loss(features, labels)
        assert set(torch.nonzero(gated)[:, 0].tolist()) == chosen
        assert loss.item() == pytest.approx(sum(inconsistency[i] for i in chosen) / 20, abs=1e-5)
        torch.testing.assert_close(
            seen_cosine, torch.tensor([c or 0.0 for c in cosine]), atol=1e-5, rtol=0
        )
        for c in set(y):
            mean = x[[i for i, other in enumerate(y) if other == c]].mean(0)
            memory[c] = 0.8 * memory[c] + 0.2 * mean if c in memory else mean
    assert prototypes.memory is not None
    for c, prototype in memory.items():
        np.testing.assert_allclose(prototypes.memory[c], prototype, atol=1e-5)
    assert prototypes.known.tolist() == [c in memory for c in range(7)]


def test_a_step_brings_chosen_rows_nearer_and_moves_no_other() -> None:
    prototypes = Prototypes(ProtoOptions(weight=1, gate="topk", share=0.2))
    prototypes.loss(*batch(0))
    features, labels = batch(1)
    features.requires_grad_()
    loss, chosen, cosine = prototypes.loss(features, labels)
    (gradient,) = torch.autograd.grad(loss, features)
    assert (gradient[~chosen] == 0).all()
    again = Prototypes(ProtoOptions(weight=1, gate="topk", share=0.2))
    again.loss(*batch(0))
    _, _, moved = again.loss(features.detach() - gradient, labels)
    assert (moved[chosen] > cosine[chosen]).all()


def test_state_goes_on_where_it_was() -> None:
    options = ProtoOptions(weight=1)
    first, second = Prototypes(options), Prototypes(options)
    first.loss(*batch(0))
    second.restore({name: value.clone() for name, value in first.state().items()})
    assert torch.equal(first.loss(*batch(1))[0], second.loss(*batch(1))[0])
    assert Prototypes(options).state() == {}
    assert not torch.equal(first.loss(*batch(2))[0], Prototypes(options).loss(*batch(2))[0])
