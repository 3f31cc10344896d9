"""Cross-validation of a student: all kept faces dealt into parts, and the same chain of trainings
for each part on the others.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from fer_core.base import paths
from fer_core.base.errors import TrainingError
from fer_core.base.labels import N_CLASSES
from fer_core.base.params import Params
from fer_core.dataset.assembly.splits import carve
from fer_core.dataset.pack.folds import stratified_group_folds
from fer_core.dataset.pack.named_sets import load_train_set
from fer_core.dataset.pack.pack import Pack, PackOptions, write_pack
from fer_core.dataset.pack.rows import Rows
from fer_core.logits.forward import Wanted, forward_rows
from fer_core.training.loop.run import open_run
from fer_core.training.students.student import load_method, start_student, train_student

__all__ = ["Folds", "Recipe", "cross_validate", "deal"]


@dataclass(frozen=True)
class Recipe:
    """How the deployed student came to be.

    Attributes:
        params: all of params.yaml.
        methods: from the first of its chain to its own.
        seed: of each.
        init: folder that the first starts with.
    """

    params: Params
    methods: tuple[str, ...]
    seed: int
    init: Path


@dataclass(frozen=True)
class Folds:
    """Every kept face with the answer of a student that did not learn from it.

    Attributes:
        sample_ids: of N rows.
        labels: int64 [N].
        units: strings [N], equal for rows that stayed together.
        fold_of: int64 [N], the part of each row.
        logits: float32 [N, 7].
    """

    sample_ids: list[str]
    labels: np.ndarray
    units: np.ndarray
    fold_of: np.ndarray
    logits: np.ndarray


def cross_validate(
    halves: Sequence[Pack], cluster_of: Mapping[str, str], folds: int, seed: int, recipe: Recipe
) -> Folds:
    """Answer every face by a student that was trained on other parts.

    Args:
        halves: of the pack.
        cluster_of: of `read_clusters`: rows that stay together.
        folds: parts at most; there are no more than clusters.
        seed: decides who is val and calib.
        recipe: how to train.

    Raises:
        TrainingError, ModelError: as `train_student`; all faces are one cluster, or a class has no
            face outside a part.
    """
    with TemporaryDirectory(prefix="fer-crossval-") as folder:
        pack = _joined(Path(folder) / "pack", halves)
        ids, labels = pack.rows.sample_ids, pack.rows.labels.astype(np.int64)
        units = np.array([cluster_of.get(key, key) for key in ids])
        folds = min(folds, len(np.unique(units)))
        if folds == 1:
            raise TrainingError("All faces are of one person or photo.", found=units[0])
        fold_of = stratified_group_folds(ids, labels, units.tolist(), folds)
        logits = np.empty((len(ids), N_CLASSES), dtype=np.float32)
        for fold in range(folds):
            split = deal(pack.rows, units, fold_of == fold, seed)
            logits[fold_of == fold] = _answered(pack, split, recipe, Path(folder) / str(fold))
    return Folds(ids, labels, units, fold_of, logits)


def deal(rows: Rows, units: np.ndarray, held: np.ndarray, seed: int) -> np.ndarray:
    """Splits while some rows are held out, object [N]: these are "test", and of the others as many
    are val and calib as in the run itself, by whole units.

    Args:
        rows: all kept rows, with the splits of the run.
        units: [N], equal for rows that must stay together.
        held: bool [N], of whole units.
        seed: decides who is val.
    """
    split = np.full(len(rows), "test", dtype=object)
    others = int((~held).sum())
    shares = {name: len(rows.split(name)) / others for name in ("val", "calib")}
    split[~held] = carve(rows.labels[~held], units[~held].astype(str), shares, seed)
    return split


def _answered(pack: Pack, split: np.ndarray, recipe: Recipe, folder: Path) -> np.ndarray:
    """Logits of the test rows of a split, by the recipe trained on its train rows, float32 [n, 7].

    Args:
        pack: all kept rows.
        split: of `deal`.
        recipe: how to train.
        folder: for the trained networks.
    """
    params = recipe.params
    sha256 = hashlib.sha256(f"{pack.rows.sha256} {'/'.join(split)}".encode()).hexdigest()
    pack = replace(pack, rows=Rows(pack.rows.frame.assign(split=split), sha256))
    train_set = load_train_set(params, params.section("student.set", str | None, default=None))
    mirror = params.section("student.mirror", bool, default=False)
    model = recipe.init
    for name in recipe.methods:
        key = f"{name}-{recipe.seed}-{folder.name}"
        run = replace(open_run(params, f"crossval/{key}", recipe.seed, train_set), pack=pack)
        how = load_method(params, name, paths.SOFTLABELS)
        start = start_student(params, model, how)
        train_student(run, folder / key, start, how)
        model = folder / key / "model"
    wanted = Wanted(("test",), "fp32", "float32", None, run.settings.cpu_threads(), mirror)
    return np.asarray(forward_rows(model, key, pack, wanted, run.settings).eval)


def _joined(folder: Path, halves: Sequence[Pack]) -> Pack:
    """Write all faces of both halves into one pack, and open it."""
    frames = [
        half.rows.frame.assign(half=i, place=range(len(half))) for i, half in enumerate(halves)
    ]
    frame = pd.concat(frames).sort_values("sample_id", ignore_index=True)
    places = list(zip(frame["half"], frame["place"], strict=True))

    def image(row: int) -> bytes:
        half, place = places[row]
        return halves[half].image(place)

    sizes = np.array([len(image(row)) for row in range(len(frame))])
    rows = frame.drop(columns=["half", "place", "shard", "shard_row"])
    write_pack(folder, rows, image, sizes, PackOptions(shard_megabytes=100))
    return Pack.open(folder)
