"""Stage `evaluate`: every metric of one student or teacher on val, calib and every named test set,
with intervals.

Reads the model's card and, for a student, both halves of the pack (its forward pass happens here);
for a teacher its stored logits; and, for which rows show one picture, the manifest. Writes
`data/evaluation/<key>/`.
"""

from pathlib import Path

from fer_core.base.params import load_section
from fer_core.base.settings import load_settings
from fer_core.dataset.manifest.pictures import read_duplicates
from fer_core.dataset.pack.named_sets import SetFilter, evaluated_sets, select
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import record_evaluation
from fer_core.logits.store import read_logits
from fer_core.models.networks.card import read_card
from stages.entry import run_stage


def main(key: str, model: Path, dev: Path, test: Path) -> None:
    """Evaluate KEY, saved in MODEL, on DEV and TEST: halves of the pack for a student, stored
    logits for a teacher.
    """
    settings = load_settings()
    options = load_section("evaluation", EvaluationOptions)
    filters = evaluated_sets(load_section("sets", dict[str, SetFilter]))
    dev_rows, test_rows = read_rows(Path("data/pack/dev")), read_rows(Path("data/pack/test"))
    card = read_card(model)
    if card.kind == "student":
        from fer_core.logits.forward import forward_rows
        from fer_core.models.devices import (
            distributed,  # a teacher is evaluated without loading torch
        )

        of_dev = forward_rows(
            model, key, Pack.open(dev), ("val", "calib"), None, "fp32", "float32", settings
        )
        of_test = forward_rows(
            model, key, Pack.open(test), ("test",), None, "fp32", "float32", settings
        )
        if not distributed.is_first():
            return
    else:
        of_dev, of_test = read_logits(dev, dev_rows), read_logits(test, test_rows)
    record_evaluation(
        Path("data/evaluation") / key,
        key,
        card.kind,
        of_dev,
        of_test,
        dev_rows=dev_rows,
        test_rows=test_rows,
        sets={name: select(test_rows.frame, chosen, name) for name, chosen in filters.items()},
        options=options,
        seed=load_section("seed", int),
        budget=card.budget,
        duplicate_of=read_duplicates(
            Path("data/manifest.parquet"), [*dev_rows.sample_ids, *test_rows.sample_ids]
        ),
    )


if __name__ == "__main__":
    run_stage(main)
