"""Measure teachers, alone and fused, on the test rows.

Reads the test logits of every teacher, the ensemble, the test rows and, for which of them show one
picture, the manifest. Writes `data/leaderboard/`: every teacher raw and temperature scaled, best
single, uniform and chosen weights on every named test set, what else the ensemble asks for (kinds
of weights, fixed temperatures), and each set's oracle.
"""

from typing import Any

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.dataset.manifest.table import read_clusters
from fer_core.dataset.pack.named_sets import NamedSets, evaluated_sets, select
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.boards.leaderboard import leaderboard, write_leaderboard
from fer_core.evaluation.ensemble.ensemble import read_ensemble
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.logits.store import read_logits
from stages.entry import run_stage


def main() -> None:
    """Measure every entry on every named test set."""
    params = Params.load()
    teachers = params.section("teachers", dict[str, Any])
    options = params.section("evaluation", EvaluationOptions)
    rows = read_rows(paths.TEST)
    chosen = evaluated_sets(params.section("sets", NamedSets))
    sets = {name: select(rows.frame, rule, name) for name, rule in chosen.items()}
    test = {tag: read_logits(paths.LOGITS / tag / "test", rows, tag) for tag in teachers}
    board = leaderboard(
        test,
        read_ensemble(paths.ENSEMBLE),
        sets,
        options,
        params.section("seed", int),
        rows.frame["source"].to_numpy(),
        read_clusters(paths.MANIFEST, rows.sample_ids),
    )
    write_leaderboard(paths.LEADERBOARD, board, rows.sha256)


if __name__ == "__main__":
    run_stage(main)
