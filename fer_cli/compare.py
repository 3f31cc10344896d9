"""`fer compare A B`: may A take the place of B?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_core.base.absent import declare_absent
from fer_core.base.errors import ArtifactError
from fer_core.base.params import Params

if TYPE_CHECKING:
    from fer_core.evaluation.metrics.record import Evaluation

__all__ = ["compare"]

EVALUATIONS = Path("data/evaluation")


def compare(
    candidate: Annotated[
        str,
        typer.Argument(
            help="A student or teacher of data/evaluation, the folder of an evaluation, or a "
            "release such as models/fer2013."
        ),
    ],
    baseline: Annotated[
        str, typer.Argument(help="The model that it would replace, in the same form.")
    ],
    gates: Annotated[
        list[str] | None,
        typer.Option("--gate", help="regression, target, negl, nl or combined; may be repeated."),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="Named test set; may be repeated; all shared ones if left out."),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="NLL and ECE of the logits as they are, not after temperature scaling."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Judge a candidate by acceptance gates against a baseline, on the same test rows; exit status
    1 when a gate fails.
    """
    from dataclasses import asdict

    from fer_core.evaluation.calibration.calibrators import Temperature
    from fer_core.evaluation.comparison.gates import compare_sets, fitted_temperature, judge
    from fer_core.evaluation.metrics.options import EvaluationOptions

    params = Params.load()
    declare_absent(params.values)
    options = params.section("evaluation", EvaluationOptions)
    models = _evaluations(candidate, baseline, params)
    temperatures = (
        (1.0, 1.0) if raw else (fitted_temperature(models[0]), fitted_temperature(models[1]))
    )
    compared = compare_sets(
        models[0],
        models[1],
        sets,
        options.bins,
        options.bootstrap,
        params.section("seed", int),
        (Temperature(temperatures[0]), Temperature(temperatures[1])),
    )
    results = [judge(gate, compared) for gate in gates or ["regression"]]
    if as_json:
        plain = {
            "candidate": candidate,
            "baseline": baseline,
            "temperatures": temperatures,
            "sets": [asdict(seen) for seen in compared],
        }
        typer.echo(json.dumps(plain | {"gates": [asdict(result) for result in results]}, indent=2))
    else:
        scale = (
            "of raw logits"
            if raw
            else "after temperature scaling (T = {:.3g} and {:.3g}, fitted on calib rows)".format(
                *temperatures
            )
        )
        typer.echo(
            f"{candidate} against {baseline}; changes with paired 95 % intervals; NLL and ECE "
            f"{scale}"
        )
        for result in results:
            typer.echo(f"{'PASS' if result.passed else 'FAIL'}  gate {result.gate}")
            for name, words, holds, numbers in result.findings:
                typer.echo(f"  {'ok  ' if holds else 'FAIL'}  {name}: {words}: {numbers}")
    if not all(result.passed for result in results):
        raise typer.Exit(1)


def _evaluations(candidate: str, baseline: str, params: Params) -> "list[Evaluation]":
    """Those of both; a release is run over the rows of the other one.

    Raises:
        ArtifactError: a name means nothing, or both are releases.
    """
    from fer_core.evaluation.inspection.released import evaluate_release
    from fer_core.evaluation.metrics.record import read_evaluation
    from fer_core.predict.released import PROVENANCE

    names = (candidate, baseline)
    released = [(Path(name) / PROVENANCE).is_file() for name in names]
    folders = [
        None if is_one else _folder(name) for name, is_one in zip(names, released, strict=True)
    ]
    own = [None if folder is None else read_evaluation(folder) for folder in folders]
    like = own[0] or own[1]
    if like is None:
        raise ArtifactError(
            "Both are releases: nothing says which rows to compare them on.",
            found=" and ".join(names),
            expected="one of data/evaluation",
        )
    return [
        found or evaluate_release(Path(name), like, params)
        for name, found in zip(names, own, strict=True)
    ]


def _folder(name: str) -> Path:
    """The evaluation that a name means.

    Raises:
        ArtifactError: neither a key nor a folder with an evaluation.
    """
    for folder in (EVALUATIONS / name, Path(name)):
        if (folder / "metrics.json").is_file():
            return folder
    known = sorted(path.parent.name for path in EVALUATIONS.glob("*/metrics.json"))
    raise ArtifactError(
        "There is no evaluation of this name.",
        where=EVALUATIONS,
        found=name,
        expected=", ".join(known) or "run `fer run`",
    )
