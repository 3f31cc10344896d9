"""Stage `evaluate`: every metric of one student or teacher on val, calib and every named test set,
with intervals.

Reads its stored logits, the model's card (of a teacher from elsewhere what is stated of it) and,
for which rows belong together, the manifest; writes `data/evaluation/<key>/`.
"""

from pathlib import Path
from typing import Any

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.dataset.manifest.table import read_clusters
from fer_core.dataset.pack.named_sets import SetFilter, evaluated_sets, select
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation, record_evaluation
from fer_core.logits.store import read_logits
from fer_core.models.networks.card import read_card
from fer_core.outside.described.description import OUTSIDE, read_outside
from stages.entry import run_stage


def main(key: str, model: Path) -> None:
    """Evaluate KEY, saved in MODEL, by its stored logits."""
    params, (kind, budget) = Params.load(), _described(model, key)
    filters = evaluated_sets(params.section("sets", dict[str, SetFilter]))
    dev_rows, test_rows = read_rows(paths.DEV), read_rows(paths.TEST)
    logits = paths.LOGITS / key
    network = Evaluation(
        key,
        kind,
        read_logits(logits / "dev", dev_rows, key),
        read_logits(logits / "test", test_rows, key),
        sets={name: select(test_rows.frame, chosen, name) for name, chosen in filters.items()},
        metrics={},
        budget=budget,
        cluster_of=read_clusters(paths.MANIFEST, [*dev_rows.sample_ids, *test_rows.sample_ids]),
    )
    options = params.section("evaluation", EvaluationOptions)
    out = paths.EVALUATION / key
    record_evaluation(out, network, dev_rows, test_rows, options, params.section("seed", int))


def _described(model: Path, key: str) -> tuple[Any, dict[str, Any]]:
    """Kind and budget of a model; nobody here knows what a teacher from elsewhere was given."""
    if model.name == OUTSIDE:
        read_outside(model, key)
        return "teacher", {}
    card = read_card(model, key)
    return card.kind, card.budget


if __name__ == "__main__":
    run_stage(main)
