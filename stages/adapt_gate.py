"""Stage `adapt_gate`: may the adapted student take the place of the deployed one?

Reads both students' evaluations and calibrations, the adapted model, the deployed ONNX file and the
held-out sessions themselves. Writes `data/adaptation/gate.json`, beside it the adapted student
as ONNX if it is promoted, and `metrics/adaptation.json`. A gate that fails ends no run.
"""

import logging
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fer_core.base import paths
from fer_core.base.errors import ArtifactError
from fer_core.base.files import new_folder, write_json
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.adaptation.gate import (
    held_out_sessions,
    judge_sessions,
    replay_both,
    session_folder,
    verdict,
)
from fer_core.evaluation.calibration.calibrators import Calibrator
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.comparison.gates import GateResult, SetComparison, compare_sets, judge
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation, read_evaluation
from fer_core.export.onnx.assembly import metadata_of
from fer_core.export.onnx.export import export_files
from fer_core.export.onnx.options import DeployOptions
from fer_core.models.networks.mirrored import load_answering
from fer_core.predict.detection import YuNet
from fer_core.predict.fetching import detector_file
from fer_core.predict.predictor import Predictor
from fer_core.sources.catalogue.descriptor import checked_tree, read_descriptor
from fer_core.training.adaptation.options import AdaptOptions
from stages.entry import run_stage

log = logging.getLogger(__name__)

_FILE = "student.fp32.onnx"


def main() -> None:
    """Judge the adapted student on the named sets and on the held-out sessions."""
    params = Params.load()
    options, deploy = params.section("adapt", AdaptOptions), params.section("deploy", DeployOptions)
    measured = params.section("evaluation", EvaluationOptions)
    adapted, base = (read_evaluation(paths.EVALUATION / k) for k in (paths.ADAPTED, deploy.student))
    if adapted.test.preprocessing_hash != base.test.preprocessing_hash:
        raise ArtifactError(
            "The adapted student saw pictures that were prepared in another way.",
            where=paths.STUDENTS / paths.ADAPTED,
            remedy="run `fer run` (or `dvc repro`) to make it again",
        )
    compared = compare_sets(
        adapted,
        base,
        options.sets,
        measured.bins,
        measured.bootstrap,
        params.section("seed", int),
        (_carried(adapted), _carried(base)),
    )
    with TemporaryDirectory() as folder:
        mirror = params.section("student.mirror", bool, default=False)
        file = _exported(Path(folder), deploy, mirror)
        found, names = _replayed(file, options.sources)
        results = [judge("regression", compared), judge_sessions(found)]
        promoted = all(result.passed for result in results)
        words = verdict(results)
        with new_folder(paths.ADAPTATION) as out:
            write_json(
                out / "gate.json",
                {
                    "promoted": promoted,
                    "words": words,
                    "base": {"key": base.key, "model_sha256": base.test.model_sha256},
                    "adapted": {"key": adapted.key, "model_sha256": adapted.test.model_sha256},
                    "gates": [asdict(result) for result in results],
                    "sets": [asdict(seen) for seen in compared],
                    "sessions": names,
                    "replay": found,
                },
            )
            if promoted:
                (out / _FILE).write_bytes(file.read_bytes())
    write_json(paths.METRICS / "adaptation.json", _metrics(results, compared, found))
    log.info("%s: %s", adapted.key, words)


def _carried(model: Evaluation) -> Calibrator:
    """What the file of an evaluated student carries: files are compared, not networks."""
    return read_calibration(paths.CALIBRATION / model.key, model.test.model_sha256).carried


def _exported(folder: Path, deploy: DeployOptions, mirror: bool) -> Path:
    """The adapted student as ONNX, as stage `predict` ran it."""
    network, card = load_answering(paths.STUDENTS / paths.ADAPTED / "model", mirror)
    calibration = read_calibration(paths.CALIBRATION / paths.ADAPTED, card.weights_sha256)
    metadata = metadata_of(card, calibration.carried, deploy.licence)
    return export_files(network, metadata, deploy.opset, ("fp32",), folder, "student")["fp32"]


def _replayed(adapted: Path, sources: list[str]) -> tuple[dict[str, Any] | None, list[str]]:
    """The held-out sessions through both networks, and their names."""
    settings = load_settings()
    held_out = held_out_sessions(read_rows(paths.TEST).frame, sources)
    if not held_out:
        return None, []
    roots = {
        source: checked_tree(read_descriptor(paths.SOURCES / f"{source}.json"), settings.raw).place
        for source in {source for source, _ in held_out}
    }
    threads, yunet = settings.cpu_threads(), detector_file()
    found = replay_both(
        [session_folder(roots[source], name) for source, name in held_out],
        Predictor(paths.ONNX / _FILE, threads=threads),
        Predictor(adapted, threads=threads),
        lambda rules: YuNet(yunet, rules.detect.score, rules.detect.overlap),
    )
    return found, [f"{source}/{name}" for source, name in held_out]


def _metrics(
    results: list[GateResult], compared: list[SetComparison], found: dict[str, Any] | None
) -> dict[str, Any]:
    """The few numbers that are worth a diff."""
    both = ("before", "after")
    sessions = found and {
        "macro_f1_present": {key: found["macro_f1_present"][key] for key in both},
        "flips_per_min": {key: found["flips_per_min"][key]["scored"] for key in both},
    }
    return {
        "promoted": int(all(result.passed for result in results)),
        "gates": {result.gate: int(result.passed) for result in results},
        "macro_f1_change": {seen.name: seen.change("macro_f1") for seen in compared},
        "sessions": sessions,
    }


if __name__ == "__main__":
    run_stage(main)
