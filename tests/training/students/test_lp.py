"""The locality-preserving loss against scikit-learn's neighbours, class by class."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from fer_core.training.students.lp import locality_loss


def batch(rows: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(0)
    return torch.from_numpy(random.normal(0, 2, (rows, 6))), torch.from_numpy(
        random.integers(0, 4, rows)
    )


@pytest.mark.parametrize("k", [1, 3, 50])
def test_loss_is_that_of_scikit_learns_neighbours(k: int) -> None:
    features, labels = batch()
    features = torch.cat([features, torch.ones(1, 6, dtype=torch.float64)])
    labels = torch.cat([labels, torch.tensor([6])])  # alone in its class
    squares = []
    for c in range(4):
        x = features[labels == c].numpy()
        _, nearest = NearestNeighbors(n_neighbors=min(k, len(x) - 1) + 1).fit(x).kneighbors(x)
        squares += [((x[i] - x[row[1:]].mean(0)) ** 2).sum() for i, row in enumerate(nearest)]
    loss, included = locality_loss(features, labels, k)
    assert loss.item() == pytest.approx(0.5 * np.mean(squares))
    assert included.tolist() == [True] * 30 + [False]


def test_a_step_tightens_the_neighbourhoods() -> None:
    features, labels = batch()
    features.requires_grad_()
    loss, _ = locality_loss(features, labels, 3)
    (gradient,) = torch.autograd.grad(loss, features)
    assert locality_loss(features - 0.5 * gradient, labels, 3)[0] < loss


def test_rows_without_neighbours_cost_nothing() -> None:
    features = torch.randn(3, 4, requires_grad=True)
    loss, included = locality_loss(features, torch.tensor([0, 1, 2]), 5)
    assert loss.item() == 0
    assert not included.any()
    assert torch.isfinite(torch.autograd.grad(loss, features)[0]).all()
