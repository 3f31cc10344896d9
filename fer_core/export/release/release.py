"""`models/<name>/`: what the `onnx` stage made, with weights for fine-tuning, results, provenance
and fixed answers. Made by `fer release`, never by hand.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import new_folder, read_json, sha256_file, write_json, write_text
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.metrics.readers import read_reliability_metrics
from fer_core.export.release.answers import check_answers, write_answers
from fer_core.models.networks.card import read_card
from fer_core.predict.predictor import Predictor
from fer_core.predict.released import PROVENANCE

__all__ = ["MOST_BYTES", "ReleaseFacts", "check_release", "write_release"]

MOST_BYTES = 5_000_000
"""Of one file: small enough for git."""
MODEL = "model"
"""Folder of the weights, as every stage reads them: `student.init` can name it."""
ANSWERS, RESULTS, LICENCE = (
    "answers.json",
    "results.json",
    "LICENCE.md",
)


@dataclass(frozen=True)
class ReleaseFacts:
    """Where a release comes from.

    Attributes:
        student: key, such as "votes-1337".
        commit: of code, parameters and dvc.lock.
        params: the whole of params.yaml.
        lock_sha256: hash of dvc.lock.
        machine: that trained the student, as its log says; empty where it does not.
    """

    student: str
    commit: str
    params: Mapping[str, Any]
    lock_sha256: str
    machine: Mapping[str, Any]


def write_release(
    folder: Path, exported: Path, model: Path, calibrated: Path, facts: ReleaseFacts
) -> None:
    """Write a release in one step; an old one of that name is replaced.

    Args:
        folder: `models/<name>`.
        exported: `data/onnx`.
        model: folder of the student's saved model.
        calibrated: folder of its calibration, for the results.
        facts: where it comes from.

    Raises:
        DataError: a file is too large for git, or the exported files are not of these weights.
    """
    card = read_card(model)
    files = _exported(exported)
    networks = _opened(files)
    for precision, network in networks.items():
        if network.metadata.source_model_sha256 != card.weights_sha256:
            raise DataError(
                "This file was not exported from the student's weights.",
                where=files[precision],
                found=network.metadata.source_model_sha256,
                expected=card.weights_sha256,
                remedy="`fer run onnx`",
            )
    with new_folder(folder) as new:
        for file in files.values():
            shutil.copyfile(file, new / file.name)
        shutil.copytree(model, new / MODEL, copy_function=shutil.copyfile)
        card_text = (exported / "MODEL_CARD.md").read_text(encoding="utf-8")
        write_text(new / "MODEL_CARD.md", card_text)
        write_text(new / LICENCE, _licence(networks["fp32"].metadata.licence, folder.name))
        write_json(new / RESULTS, _results(calibrated, card.weights_sha256))
        write_answers(new / ANSWERS, networks)
        paths = sorted(path for path in new.rglob("*") if path.is_file())
        if large := [path for path in paths if path.stat().st_size > MOST_BYTES]:
            raise DataError(
                "A file of the release is too large for git.",
                where=large[0].relative_to(new),
                found=f"{large[0].stat().st_size / 1e6:.1f} MB",
                expected=f"at most {MOST_BYTES / 1e6:g} MB",
                remedy="deploy a smaller student",
            )
        write_json(
            new / PROVENANCE,
            {
                "schema": "release/1",
                "student": facts.student,
                "arch": card.arch,
                "weights_sha256": card.weights_sha256,
                "rows_sha256": card.rows_sha256,
                "selected_epoch": card.selected_epoch,
                "commit": facts.commit,
                "dvc_lock_sha256": facts.lock_sha256,
                "machine": facts.machine,
                "params": facts.params,
                "files": {path.relative_to(new).as_posix(): sha256_file(path) for path in paths},
            },
        )


def check_release(folder: Path) -> None:
    """Hold a release's files, hashes, card and answers together.

    Raises:
        ArtifactError: a file is missing, was added or changed, or a network answers otherwise.
    """
    provenance = read_json(folder / PROVENANCE)
    expected = provenance["files"]
    found = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != PROVENANCE
    }
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ArtifactError(
                "This release is not as it was made.",
                where=folder / name,
                found=found.get(name, "no such file"),
                expected=expected.get(name, "no such file"),
                remedy="`git checkout` it, or `fer release` again",
            )
    weights = read_card(folder / MODEL).weights_sha256
    files = _exported(folder)
    networks = _opened(files)
    text = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    for where, same in {
        "provenance": provenance["weights_sha256"] == weights,
        "MODEL_CARD.md": weights in text,
        **{
            files[precision].name: network.metadata.source_model_sha256 == weights
            for precision, network in networks.items()
        },
    }.items():
        if not same:
            raise ArtifactError(
                "A file of this release is of other weights.",
                where=folder / where,
                expected=weights,
            )
    check_answers(folder / ANSWERS, networks)


def _exported(folder: Path) -> dict[str, Path]:
    """Precision -> exported file; "fp32" is among them."""
    found = {file.name.split(".")[1]: file for file in sorted(folder.glob("student.*.onnx"))}
    if "fp32" not in found:
        raise ArtifactError(
            "There is no exported student.", where=folder, remedy="`fer run onnx` makes it"
        )
    return found


def _opened(files: Mapping[str, Path]) -> dict[str, Predictor]:
    return {precision: Predictor(file, threads=1) for precision, file in files.items()}


def _results(calibrated: Path, weights_sha256: str) -> dict[str, Any]:
    """Set -> rows, and metrics with intervals before the calibration that the files carry and
    after.
    """
    measured_as = read_calibration(calibrated, weights_sha256).measured_as
    return {
        name: {
            "rows": found["rows"],
            "raw": found["raw"],
            "calibrated": found[measured_as],
        }
        for name, found in read_reliability_metrics(calibrated).items()
    }


def _licence(licence: str, name: str) -> str:
    return (
        f"# Licence of the weights in `models/{name}`\n\n{licence[:1].upper()}{licence[1:]}.\n\n"
        "It follows the data that the weights were trained on, which `MODEL_CARD.md` lists with "
        "their terms. The code that made them is under the licence of this repository.\n"
    )
