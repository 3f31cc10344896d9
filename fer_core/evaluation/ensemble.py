"""The ensemble: calibrated teachers with the weights chosen on calib rows, as an artifact.

`data/ensemble/` holds `ensemble.json` (the choice, and for reference the best single teacher and equal weights) and `search.csv` (every
candidate). Nothing in it comes from test rows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_core.data.logits import LogitsSet
from fer_core.errors import ArtifactError
from fer_core.evaluation.calibration import interior_temperature
from fer_core.evaluation.fusion import EnsembleOptions, Space, best_candidate, fuse, search_weights, simplex
from fer_core.evaluation.metrics import all_metrics
from fer_core.files import new_folder, read_json, write_json, write_text
from fer_core.labels import CLASSES, check_class_order

__all__ = ["Ensemble", "Weighting", "check_teachers", "choose_ensemble", "read_ensemble", "write_ensemble"]

_SCHEMA = 1


@dataclass(frozen=True)
class Weighting:
    """A way to fuse calibrated teachers.

    Attributes:
        space: "prob" or "logit".
        weights: of each teacher; they sum to 1.
        temperature: of the fused logits, fitted on calib rows.
        calib: metrics on calib rows.
    """

    space: Space
    weights: dict[str, float]
    temperature: float
    calib: dict[str, Any]


@dataclass(frozen=True)
class Ensemble:
    """Calibrated teachers and how to fuse them.

    Attributes:
        teachers: tags, in the order of params.yaml.
        model_sha256: of each teacher's weights.
        temperatures: of each teacher, fitted on calib rows.
        chosen, best_single, uniform: weightings.
        objective: what `chosen` and `best_single` are best in.
        rows_sha256: of the dev rows that everything was fitted on.
        preprocessing_hash: of all teachers.
    """

    teachers: tuple[str, ...]
    model_sha256: dict[str, str]
    temperatures: dict[str, float]
    chosen: Weighting
    best_single: Weighting
    uniform: Weighting
    objective: str
    rows_sha256: str
    preprocessing_hash: str

    def fused(self, logits: Mapping[str, np.ndarray], weighting: Weighting | None = None) -> np.ndarray:
        """Calibrated fused logits at T = 1.

        Args:
            logits: raw logits [..., 7] of each teacher.
            weighting: instead of the chosen one.

        Returns:
            float64 [..., 7].
        """
        how = weighting or self.chosen
        calibrated = [np.asarray(logits[tag], dtype=np.float64) / self.temperatures[tag] for tag in self.teachers]
        return fuse(calibrated, [how.weights[tag] for tag in self.teachers], how.space) / how.temperature


def choose_ensemble(calib: Mapping[str, LogitsSet], options: EnsembleOptions, bins: int) -> tuple[Ensemble, pd.DataFrame]:
    """Calibrate every teacher, try every weighting and choose, all on calib rows.

    Args:
        calib: of each teacher, the logits of the calib rows and of nothing else.
        options: section `ensemble`.
        bins: confidence bins of ece.

    Returns:
        The ensemble, and every candidate: space, weight of each teacher, temperature, nll, accuracy, macro_f1, ece.

    Raises:
        ArtifactError: no teacher, teachers of different rows or preprocessing, rows other than calib, or a teacher that no
            temperature calibrates.
    """
    first = check_teachers(calib)
    if first.covers != ("calib",):
        raise ArtifactError("Fusion weights are chosen on calib rows only.", found=first.covers, expected=("calib",))
    tags, labels = tuple(calib), first.labels
    temperatures = {tag: _short(interior_temperature(calib[tag].eval, labels, f"teacher {tag}").temperature) for tag in tags}
    calibrated = [calib[tag].eval.astype(np.float64) / temperatures[tag] for tag in tags]
    grid = simplex(len(tags), options.step)
    candidates = search_weights(calibrated, labels, grid, options.spaces, bins)

    def weighting(space: Space, weights: tuple[float, ...]) -> Weighting:
        fused = fuse(calibrated, weights, space)
        temperature = _short(interior_temperature(fused, labels, "ensemble").temperature)
        return Weighting(space, dict(zip(tags, weights, strict=True)), temperature, all_metrics(fused, labels, bins, temperature))

    single = candidates[[max(weights) == 1 for weights in candidates["weights"]]].reset_index(drop=True)
    best, best_alone = (
        candidates.iloc[best_candidate(candidates, options.objective)],
        single.iloc[best_candidate(single, options.objective)],
    )
    ensemble = Ensemble(
        teachers=tags,
        model_sha256={tag: calib[tag].model_sha256 for tag in tags},
        temperatures=temperatures,
        chosen=weighting(best["space"], best["weights"]),
        best_single=weighting(best_alone["space"], best_alone["weights"]),
        uniform=weighting(best["space"], (1 / len(tags),) * len(tags)),
        objective=options.objective,
        rows_sha256=first.rows_sha256,
        preprocessing_hash=first.preprocessing_hash,
    )
    weights = pd.DataFrame(candidates["weights"].tolist(), columns=[f"weight_{tag}" for tag in tags])
    return ensemble, pd.concat([candidates[["space"]], weights, candidates.drop(columns=["space", "weights"])], axis=1)


def check_teachers(logits: Mapping[str, LogitsSet]) -> LogitsSet:
    """Refuse teachers that cannot be fused; return the first one's logits.

    Raises:
        ArtifactError: no teacher, or other rows, preprocessing or views than the first one's.
    """
    if not logits:
        raise ArtifactError("There is no teacher to fuse.", where="params.yaml: teachers", expected="one or more")
    name, first = next(iter(logits.items()))
    for tag, other in logits.items():
        for what in ("rows_sha256", "covers", "preprocessing_hash", "views_hash"):
            if (found := getattr(other, what)) != (expected := getattr(first, what)):
                raise ArtifactError(f"Teachers {tag} and {name} cannot be fused: their {what} differ.", found=found, expected=expected)
        if other.sample_ids != first.sample_ids:
            raise ArtifactError(f"Teachers {tag} and {name} cannot be fused: their rows differ.")
    return first


def write_ensemble(folder: Path, ensemble: Ensemble, candidates: pd.DataFrame) -> None:
    """Write the folder in one step."""
    with new_folder(folder) as temporary:
        write_json(
            temporary / "ensemble.json",
            {
                "schema": _SCHEMA,
                "classes": list(CLASSES),
                "teachers": list(ensemble.teachers),
                "model_sha256": ensemble.model_sha256,
                "temperatures": ensemble.temperatures,
                **_plain(ensemble.chosen),
                "objective": ensemble.objective,
                "rows_sha256": ensemble.rows_sha256,
                "preprocessing_hash": ensemble.preprocessing_hash,
                "references": {"best_single": _plain(ensemble.best_single), "uniform": _plain(ensemble.uniform)},
            },
        )
        write_text(temporary / "search.csv", candidates.to_csv(index=False, lineterminator="\n"))


def read_ensemble(folder: Path) -> Ensemble:
    """Read `ensemble.json`.

    Raises:
        ArtifactError: missing, damaged, of another version or class order.
    """
    file = folder / "ensemble.json"
    values = read_json(file)
    if values.get("schema") != _SCHEMA:
        raise ArtifactError("This ensemble is of another version.", where=file, found=values.get("schema"), expected=_SCHEMA)
    check_class_order(values.get("classes", []), file)
    try:
        references = values["references"]
        ensemble = Ensemble(
            teachers=tuple(values["teachers"]),
            chosen=_weighting(values),
            best_single=_weighting(references["best_single"]),
            uniform=_weighting(references["uniform"]),
            **{name: values[name] for name in ("model_sha256", "temperatures", "objective", "rows_sha256", "preprocessing_hash")},
        )
    except KeyError as error:
        raise ArtifactError("A key is missing.", where=file, expected=error.args[0]) from error
    for table in (ensemble.model_sha256, ensemble.temperatures, ensemble.chosen.weights):
        if tuple(table) != ensemble.teachers:
            raise ArtifactError(
                "This ensemble does not know each of its teachers.", where=file, found=list(table), expected=ensemble.teachers
            )
    return ensemble


def _plain(weighting: Weighting) -> dict[str, Any]:
    values = asdict(weighting)
    return {"space": values["space"], "weights": values["weights"], "fused_temperature": values["temperature"], "calib": values["calib"]}


def _weighting(values: dict[str, Any]) -> Weighting:
    return Weighting(values["space"], values["weights"], values["fused_temperature"], values["calib"])


def _short(value: float) -> float:
    """Six significant digits: what is written is what was measured with, on every machine."""
    return float(f"{value:.6g}")
