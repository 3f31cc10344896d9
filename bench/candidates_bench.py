"""Networks of the profile `fer2013` side by side: val, calib and test rows, under FER2013's own
labels and under the majority of FERPlus's annotators of the same faces.

Run: python -m bench.candidates_bench PROJECT KEY=WORDS... --table TABLE.csv
(seconds; PROJECT is a clone in which `fer run` of the profile ended; KEY is of a student or a
teacher, or `ensemble`; WORDS name the network in the table, whose rows of that name are replaced)

Val and calib rows are FER2013's. Their majorities are those of FERPlus's rows of the same pictures,
which the manifest dropped from training as duplicates: a second opinion on the same answers, from
rows that are no test rows. A bias of each class, fitted on calib rows, stands beside the network
alone: what `deploy.calibration: chosen` would carry where it is chosen.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from bench.peers.scores import Scores, scores_of
from fer_core.base import paths
from fer_core.dataset.manifest.table import read_clusters, read_manifest
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.calibration.fits import fit_calibrator
from fer_core.evaluation.ensemble.ensemble import read_ensemble
from fer_core.evaluation.metrics.clusters import cluster_codes
from fer_core.logits.store import read_logits

ENSEMBLE = "ensemble"
MAJORITY = "FERPlus majority"
ALONE, BIASED = "its own", "with a bias of each class"
DEV, TEST = ("val", "calib"), ("test",)


@dataclass(frozen=True)
class Half:
    """A network's answers to the val and calib rows, or to the test rows.

    Attributes:
        sample_ids: of the N rows.
        labels: int [N].
        splits: str [N].
        logits: float64 [N, 7].
    """

    sample_ids: list[str]
    labels: np.ndarray
    splits: np.ndarray
    logits: np.ndarray


def main(
    project: Annotated[Path, typer.Argument(help="Clone in which `fer run` ended.")],
    networks: Annotated[list[str], typer.Argument(help="KEY=WORDS, such as kd-1337=by kd.")],
    table: Annotated[Path, typer.Option(help="The table; rows of other networks stay.")],
) -> None:
    """Measure networks of one project and put their rows into the table."""
    found = pd.DataFrame(row for network in networks for row in _rows_of(project, network))
    if table.is_file():
        before = pd.read_csv(table)
        found = pd.concat([before[~before["network"].isin(found["network"])], found])
    found.to_csv(table, index=False, lineterminator="\n", float_format="%.6f")
    typer.echo(f"wrote {table}: {len(found)} rows")


def _rows_of(project: Path, network: str) -> Iterator[dict[str, Any]]:
    """Rows of the table of one KEY=WORDS."""
    key, _, words = network.partition("=")
    if not words:
        raise typer.BadParameter(f"{network!r} is not KEY=WORDS.")
    commit = ["git", "-C", str(project), "rev-parse", "--short", "HEAD"]
    at = subprocess.run(commit, check=True, capture_output=True, text=True).stdout.strip()
    manifest = read_manifest(project / paths.MANIFEST).set_index("sample_id")
    dev, test = _half(project, key, DEV), _half(project, key, TEST)
    calib = np.flatnonzero(dev.splits == "calib")
    sources = manifest.loc[dev.sample_ids, "source"].to_numpy()[calib]
    bias = fit_calibrator("bias_corrected", dev.logits[calib], dev.labels[calib], sources)
    for half in (dev, test):
        clusters = read_clusters(project / paths.MANIFEST, half.sample_ids)
        codes = cluster_codes(half.sample_ids, clusters)
        for name, labels, rows in _sets(half, manifest):
            for answers, logits in ((ALONE, half.logits), (BIASED, bias.apply(half.logits))):
                scores = scores_of([logits[rows]], labels[rows], codes[rows])
                about = {"network": words, "commit": at, "answers": answers, "set": name}
                yield about | _columns(scores)


def _half(project: Path, key: str, splits: tuple[str, ...]) -> Half:
    """A network's answers to the rows of these splits."""
    place = paths.DEV if splits == DEV else paths.TEST
    rows = read_rows(project / place)
    ensemble = read_ensemble(project / paths.ENSEMBLE) if key == ENSEMBLE else None
    keys = ensemble.teachers if ensemble else (key,)
    stored = {
        one: read_logits(project / paths.LOGITS / one / place.name, rows, one).only(*splits)
        for one in keys
    }
    first = stored[keys[0]]
    logits = {one: found.eval.astype(np.float64) for one, found in stored.items()}
    values = ensemble.fused(logits) if ensemble else logits[key]
    return Half(first.sample_ids, first.labels, first.splits, values)


def _sets(half: Half, manifest: pd.DataFrame) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, labels [N] and the numbers of the rows of each set: a data set's test rows; val and
    calib rows by their own label and by the majority for the same picture.
    """
    if "test" in half.splits:
        sources = manifest.loc[half.sample_ids, "source"].to_numpy()
        for source in np.unique(sources):
            yield f"{source}_publictest", half.labels, np.flatnonzero(sources == source)
        return
    votes = manifest[(manifest["source"] == "ferplus") & (manifest["duplicate_of"] != "")]
    majority = dict(zip(votes["duplicate_of"], votes["label"], strict=True))
    labels = np.array([majority.get(name, -1) for name in half.sample_ids])
    for split in DEV:
        rows = np.flatnonzero(half.splits == split)
        yield split, half.labels, rows
        yield f"{split}, {MAJORITY}", labels, rows[labels[rows] >= 0]


def _columns(scores: Scores) -> dict[str, Any]:
    """Rows, accuracy, macro-F1 and ECE with their intervals, and NLL."""
    found: dict[str, Any] = {"rows": scores.faces}
    for name in ("accuracy", "macro_f1", "ece"):
        interval = scores.interval(name)
        found |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found | {"nll": scores.values["nll"]}


if __name__ == "__main__":
    typer.run(main)
