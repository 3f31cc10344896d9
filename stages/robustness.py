"""Try the exported student on corrupted test faces.

Reads `data/onnx/student.fp32.onnx`, the test faces and the student's evaluation. Writes
`metrics/robustness.json`: accuracy, macro-F1 and calibration under each corruption and strength.
"""

import numpy as np

from fer_core.base import paths
from fer_core.base.files import write_json
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.metrics.deployed import provenance
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import read_evaluation
from fer_core.evaluation.robustness.robustness import (
    Faces,
    RobustnessOptions,
    choose_rows,
    measure_robustness,
)
from fer_core.pixels.decode import decode_rgb
from fer_core.predict.predictor import Predictor
from stages.entry import run_stage


def main() -> None:
    """Corrupt a choice of the main compared set's faces."""
    params = Params.load()
    options = params.section("trust.robustness", RobustnessOptions)
    evaluation = params.section("evaluation", EvaluationOptions)
    key, name = params.section("deploy.student", str), evaluation.compare_sets[0]
    seed = params.section("seed", int)
    found, pack = read_evaluation(paths.EVALUATION / key), Pack.open(paths.TEST)
    found.test.check_rows(pack.rows, key)
    rows = np.flatnonzero(found.sets[name])
    ids, labels = found.sample_ids(name), found.test.labels[rows].astype(np.int64)
    chosen = choose_rows(ids, labels, options.rows, seed)
    ids = [ids[i] for i in chosen]
    faces = Faces(
        [
            decode_rgb(pack.image(int(row)), where=sample_id)
            for row, sample_id in zip(rows[chosen], ids, strict=True)
        ],
        ids,
        labels[chosen],
        found.clusters(name)[chosen],
    )
    predictor = Predictor(paths.ONNX / "student.fp32.onnx", threads=load_settings().cpu_threads())
    measured = measure_robustness(
        faces,
        lambda images: predictor.metadata.calibrated(predictor.predict(images, batch=128).logits),
        options,
        evaluation,
        seed,
    )
    write_json(paths.METRICS / "robustness.json", provenance(found, name) | measured)


if __name__ == "__main__":
    run_stage(main)
