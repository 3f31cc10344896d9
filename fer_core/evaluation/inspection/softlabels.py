"""Soft labels of any split, for other tools, and how sharp they are at a temperature.

Students learn from `data/softlabels`, which holds the train rows with all views in float16. What is
here is of the evaluation view alone, of any split and at the precision asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from fer_core.base import paths
from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.base.files import new_folder, write_json
from fer_core.base.labels import CLASSES
from fer_core.base.params import Params
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.ensemble.ensemble import check_teachers, read_ensemble
from fer_core.evaluation.ensemble.teaching import TargetOptions, Teaching
from fer_core.evaluation.metrics.metrics import log_softmax
from fer_core.logits.store import read_logits

__all__ = ["Fused", "Split", "export_fused", "fused_split", "sharpness"]

Split = Literal["train", "val", "calib", "test"]
_PERCENTILES = (1, 50, 99)


@dataclass(frozen=True)
class Fused:
    """The ensemble's soft labels of one split.

    Attributes:
        rows: sample_id, source and label (a class number) of each row, in the pack's order.
        logits: calibrated and fused, at T = 1, float64 [N, 7].
        folds: how many teachers of each tag the train rows were shared out among so that none saw
            its own, of the tag with the fewest; 0 where a teacher ran rows that it learned from.
    """

    rows: pd.DataFrame
    logits: np.ndarray
    folds: int = 0


def fused_split(params: Params, split: Split) -> Fused:
    """What the weights of section `targets` say of the rows of a split, from the run's artifacts.

    Votes and the mean over views, which `targets` may mix in for students, are not.

    Raises:
        ArtifactError: an artifact is missing, damaged or of another run.
        ParamsError: there are no teachers, or no row is in this split.
    """
    if not params.section("teachers", dict[str, Any]):
        raise ParamsError(
            "There are no soft labels: this pipeline has no teachers.",
            where="params.yaml: teachers",
            remedy="`fer profile use` one that has some, or name teachers",
        )
    half, folder = ("test", paths.TEST) if split == "test" else ("dev", paths.DEV)
    rows = read_rows(folder)
    ensemble = read_ensemble(paths.ENSEMBLE)
    logits = {tag: read_logits(paths.LOGITS / tag / half, rows, tag) for tag in ensemble.teachers}
    check_teachers(logits)
    if (found := {tag: one.model_sha256 for tag, one in logits.items()}) != ensemble.model_sha256:
        raise ArtifactError(
            "The ensemble was chosen with other teachers.",
            where=paths.ENSEMBLE,
            found=found,
            expected=ensemble.model_sha256,
            remedy="run `dvc repro ensemble`",
        )
    places = rows.split(split)
    if not len(places):
        raise ParamsError("No row is in this split.", found=split, expected="one that has rows")
    frame = rows.frame.iloc[places]
    options = params.section("targets", TargetOptions, default=TargetOptions())
    how = Teaching(TargetOptions(weights=options.weights), rows.frame["source"].tolist(), None)
    fused = how.fused(ensemble, {tag: one.eval[places] for tag, one in logits.items()}, places)
    folds = min(len(logits[tag].fold_sha256) for tag in how.teachers(ensemble))
    return Fused(frame[["sample_id", "source", "label"]].reset_index(drop=True), fused, folds)


def export_fused(out: Path, fused: Fused, dtype: Literal["float16", "float32"]) -> None:
    """Write `softlabels.npz` (`logits` [N, 7], `y` uint8 [N]), `softlabels_index.csv` (`i`,
    `sample_id`, `source`, `y`) and `classorder.json` into a new folder.

    Raises:
        ParamsError: the folder is there already.
    """
    if out.exists():
        raise ParamsError("The folder is there already.", where=out, remedy="name a new one")
    labels = fused.rows["label"].to_numpy(dtype=np.uint8)
    with new_folder(out) as folder:
        np.savez(folder / "softlabels.npz", logits=fused.logits.astype(dtype), y=labels)
        index = fused.rows.assign(i=range(len(labels)), y=labels)
        index[["i", "sample_id", "source", "y"]].to_csv(
            folder / "softlabels_index.csv", index=False, lineterminator="\n"
        )
        write_json(folder / "classorder.json", list(CLASSES))


def sharpness(fused: Fused, temperatures: Sequence[float]) -> pd.DataFrame:
    """A line for each temperature: accuracy, and of the largest probability and the entropy (nats)
    least, greatest, mean, standard deviation and percentiles.
    """
    right = (fused.logits.argmax(axis=1) == fused.rows["label"].to_numpy()).mean()
    lines = []
    for temperature in temperatures:
        log_p = log_softmax(fused.logits, temperature)
        spread = {
            "max_probability": np.exp(log_p.max(axis=1)),
            "entropy": -(np.exp(log_p) * log_p).sum(axis=1),
        }
        line: dict[str, Any] = {"temperature": temperature, "n": len(log_p), "accuracy": right}
        for name, values in spread.items():
            line |= {
                f"{name}_min": values.min(),
                f"{name}_max": values.max(),
                f"{name}_mean": values.mean(),
                f"{name}_std": values.std(ddof=0),
            }
            found = np.percentile(values, _PERCENTILES)
            line |= {f"{name}_p{p:02d}": v for p, v in zip(_PERCENTILES, found, strict=True)}
        lines.append(line)
    return pd.DataFrame(lines)
