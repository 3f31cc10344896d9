"""Measure the deployed student on subgroups that data sets record.

Reads its evaluation and calibration, and the subgroups in the face stores of all data sets. Writes
`metrics/fairness.json`.
"""

import pandas as pd

from fer_core.base import paths
from fer_core.base.files import write_json
from fer_core.base.params import Params
from fer_core.dataset.store.store import FaceStore
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.fairness.fairness import (
    FairnessOptions,
    measure_fairness,
    parse_subgroups,
)
from fer_core.evaluation.metrics.deployed import answers_of, provenance
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import read_evaluation
from stages.entry import run_stage


def main() -> None:
    """Measure on the rows of the main compared set whose data set records subgroups."""
    params = Params.load()
    evaluation = params.section("evaluation", EvaluationOptions)
    key, name = params.section("deploy.student", str), evaluation.compare_sets[0]
    found = read_evaluation(paths.EVALUATION / key)
    calibration = read_calibration(paths.CALIBRATION / key, found.test.model_sha256)
    answers = answers_of(found, name, calibration.file_logits)
    stores = [
        FaceStore.open(paths.CLEAN / f"{source}.arrow", source).table_without_images()
        for source in params.section("manifest.sources", list[str])
    ]
    faces = pd.concat([table[["sample_id", "subgroups"]] for table in stores])
    recorded = faces[faces["sample_id"].str.split("/").str[0].isin(_recording(faces))]
    texts = recorded.set_index("sample_id")["subgroups"].reindex(answers.sample_ids)
    mine = texts.notna().to_numpy()
    measured = measure_fairness(
        answers.of(mine),
        parse_subgroups(texts[mine].tolist()),
        params.section("trust.fairness", FairnessOptions),
        evaluation,
        params.section("seed", int),
    )
    write_json(paths.METRICS / "fairness.json", provenance(found, name) | measured)


def _recording(faces: pd.DataFrame) -> set[str]:
    """Data sets that record a subgroup of some face; rows of others are not unknown ones."""
    found = faces["sample_id"][faces["subgroups"] != ""]
    return set(found.str.split("/").str[0])


if __name__ == "__main__":
    run_stage(main)
