"""`fer tta`: what averaging over cuts of a face would change on the named test sets."""

from typing import Annotated

import typer

from fer_core.base import paths
from fer_core.base.absent import declare_absent
from fer_core.base.errors import ArtifactError
from fer_core.base.params import Params
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.inspection.averaged import Cuts, averaged_logits
from fer_core.evaluation.metrics.bootstrap import paired_differences
from fer_core.evaluation.metrics.metrics import outcome_of
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import read_evaluation

__all__ = ["tta"]

_SHOWN = {"accuracy": "accuracy", "macro_f1": "macro-F1", "nll": "NLL"}


def tta(
    key: Annotated[str, typer.Argument(help="A student such as kd-1337, or a teacher's tag.")],
    over: Annotated[Cuts, typer.Option(help="What is averaged.")] = "flip",
) -> None:
    """Test-time augmentation: scores of a model as it answers, and averaged over cuts of a face.

    Nothing of the run changes. `student.mirror: true` makes the averaging over the mirror image
    part of the exported file; such a student's own answers are that average already.
    """
    params = Params.load()
    declare_absent(params.values)
    options = params.section("evaluation", EvaluationOptions)
    seed = params.section("seed", int)
    places = [
        paths.STUDENTS / key / "model",
        *(paths.TEACHERS / key / s / "model" for s in ("b", "a")),
    ]
    model = next((place for place in places if place.is_dir()), None)
    if model is None:
        raise ArtifactError(
            "There is no trained model of this name.",
            where=key,
            expected=", ".join(map(str, places)),
            remedy="`fer run`, or `dvc checkout`",
        )
    evaluation = read_evaluation(paths.EVALUATION / key)
    pack = Pack.open(paths.TEST)
    evaluation.test.check_rows(pack.rows, key)
    logits = averaged_logits(model, pack, over)
    for name, rows in evaluation.sets.items():
        labels = evaluation.test.labels[rows]
        plain, averaged = (
            outcome_of(values[rows], labels, options.bins)
            for values in (evaluation.test.eval, logits)
        )
        clusters = evaluation.clusters(name)
        found = paired_differences(
            [averaged], [plain], tuple(_SHOWN), options.bootstrap, seed, clusters
        )
        told = ", ".join(
            f"{words} {found[metric].value:+.4f} ({found[metric].low:+.4f} to "
            f"{found[metric].high:+.4f})"
            for metric, words in _SHOWN.items()
        )
        typer.echo(f"{name}, {len(labels):,} rows, {over} minus plain: {told}")
