"""A released network's answers to this project's rows, as the evaluation of an own student: whether
one's own network is better than the one that it started with.
"""

from pathlib import Path

from fer_core.base import paths
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.metrics.record import Evaluation
from fer_core.logits.forward import Wanted, forward_rows
from fer_core.models.networks.card import read_card
from fer_core.predict.released import PROVENANCE

__all__ = ["evaluate_release"]


def evaluate_release(folder: Path, like: Evaluation, params: Params) -> Evaluation:
    """Run a release over the val, calib and test rows of this project.

    Args:
        folder: `models/<name>`.
        like: evaluation of an own model, of the same rows: its named sets and clusters count.
        params: of this project.

    Raises:
        ArtifactError: the release is damaged, or has learned from these very rows.
    """
    card = read_card(folder / "model")
    if card.rows_sha256 == like.dev.rows_sha256:
        raise ArtifactError(
            "This network is one of this very run.",
            where=folder,
            remedy="compare its key, such as those of `data/evaluation`",
        )
    released = read_json(folder / PROVENANCE)["params"]
    mirror = bool(released["student"].get("mirror", False))
    threads = params.section("cpu_threads", int, default=0)
    dev, test = (
        forward_rows(
            folder / "model",
            card.key,
            Pack.open(paths.PACK / half),
            Wanted(covers, "fp32", "float32", None, threads, mirror),
            load_settings(),
        )
        for half, covers in (("dev", ("val", "calib")), ("test", ("test",)))
    )
    return Evaluation(str(folder), "student", dev, test, like.sets, {}, {}, like.cluster_of)
