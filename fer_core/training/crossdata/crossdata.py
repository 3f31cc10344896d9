"""One training without a data set, and its answers to all test rows."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.params import Params
from fer_core.base.paths import SOFTLABELS
from fer_core.dataset.pack.named_sets import load_train_set
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import Rows
from fer_core.logits.forward import Wanted, forward_rows
from fer_core.logits.store import LogitsSet
from fer_core.models.networks.card import read_card
from fer_core.training.crossdata.options import CrossDatasetOptions
from fer_core.training.crossdata.rows import Chosen, Faces, choose, reason_against
from fer_core.training.loop.batches import balanced_batches, shuffled_batches
from fer_core.training.loop.options import StudentTrainOptions
from fer_core.training.loop.run import open_run
from fer_core.training.students.student import load_method, start_student, train_student

__all__ = ["Recipe", "faces_of", "left_out_sources", "train_without"]


@dataclass(frozen=True)
class Recipe:
    """How the students of all these trainings come to be.

    Attributes:
        params: all of params.yaml.
        options: section `cross_dataset`.
        key: of this training.
        seed: of this training.
        init: folder of the initial weights.
    """

    params: Params
    options: CrossDatasetOptions
    key: str
    seed: int
    init: Path


@dataclass(frozen=True)
class _Rows:
    """Rows to learn from that are known by their numbers."""

    numbers: np.ndarray
    chosen: dict[str, Any]

    def rows(self, frame: pd.DataFrame) -> np.ndarray:
        """These numbers."""
        return self.numbers

    def to_dict(self) -> dict[str, Any]:
        """What they leave out."""
        return self.chosen


def faces_of(params: Params, dev: Pack, test: Pack, cluster_of: dict[str, str]) -> Faces:
    """All kept rows, with those that students learn from.

    Args:
        params: section `sets`, `student.set`.
        dev, test: the halves of the pack.
        cluster_of: of `read_clusters`, over the whole manifest.

    Raises:
        ParamsError, DataError: as `load_train_set` and its rows.
    """
    name = params.section("student.set", str | None, default=None)
    chosen = load_train_set(params, name)
    learned = dev.rows.split("train") if chosen is None else chosen.rows(dev.rows.frame)
    return Faces(dev.rows.frame, test.rows.frame, learned, name, cluster_of)


def left_out_sources(faces: Faces, options: CrossDatasetOptions) -> list[str]:
    """The data sets that are left out, as far as that says something."""
    wanted: Iterable[str] = options.left_out
    if options.left_out == "all":
        wanted = sorted(set(faces.dev["source"].to_numpy()[faces.learned]))
    return [name for name in wanted if reason_against(name, faces, options.rows) is None]


def train_without(
    left_out: str, dev: Pack, test: Pack, faces: Faces, recipe: Recipe
) -> tuple[LogitsSet, dict[str, Any]]:
    """Train a student without a data set, and answer all test rows.

    All trainings have the same initial weights, seeds, epochs and steps: an epoch has as many steps
    as that of the training with the fewest rows.

    Args:
        left_out: the data set, or `NONE_LEFT_OUT`.
        dev, test: the halves of the pack.
        faces: of `faces_of`.
        recipe: how to train.

    Returns:
        The logits, and the record of the training as plain values for JSON.

    Raises:
        DataError: as `choose`.
        TrainingError, ModelError: as `train_student`.
    """
    params, options = recipe.params, recipe.options
    how = load_method(params, options.method, SOFTLABELS)
    train = how.options.changed(epochs=options.epochs)
    trained = [choose(name, faces) for name in (left_out, *left_out_sources(faces, options))]
    steps = min(_steps(dev.rows.labels, chosen.train, train) for chosen in trained)
    most = min(steps, train.max_train_batches or steps)
    how = replace(how, options=train.model_copy(update={"max_train_batches": most}))
    chosen = trained[0]
    pack = replace(dev, rows=_only(dev.rows, chosen))
    rows = _Rows(chosen.train, {"without": left_out, "name": faces.set_name})
    run = replace(open_run(params, f"cross_dataset/{recipe.key}", recipe.seed, rows), pack=pack)
    with TemporaryDirectory(prefix="fer-crossdata-") as folder:
        train_student(run, Path(folder), start_student(params, recipe.init, how), how)
        model = Path(folder) / "model"
        card = read_card(model)
        mirror = params.section("student.mirror", bool, default=False)
        wanted = Wanted(("test",), "fp32", "float32", None, run.settings.cpu_threads(), mirror)
        answers = forward_rows(model, recipe.key, test, wanted, run.settings)
    return answers, {
        "method": options.method,
        "seed": recipe.seed,
        "init_sha256": card.init_sha256,
        "train_rows": len(chosen.train),
        "val_rows": len(chosen.val),
        "steps": card.budget["optimiser_steps"],
        "selected_epoch": card.selected_epoch,
        "audit": chosen.audit,
    }


def _steps(labels: np.ndarray, rows: np.ndarray, options: StudentTrainOptions) -> int:
    """Steps of an epoch over these rows."""
    if options.balance == "batches":
        return len(balanced_batches(rows, labels[rows], options.batch, 0, 0))
    return len(shuffled_batches(rows, options.batch, 0, 0))


def _only(rows: Rows, chosen: Chosen) -> Rows:
    """The rows of the dev half, of which only the chosen ones are train and val."""
    split = np.full(len(rows), "left out", dtype=object)
    split[chosen.train], split[chosen.val] = "train", "val"
    sha256 = hashlib.sha256(f"{rows.sha256} {'/'.join(split)}".encode()).hexdigest()
    return Rows(rows.frame.assign(split=split), sha256)
