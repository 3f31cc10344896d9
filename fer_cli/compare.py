"""`fer compare A B`: may A take the place of B?"""

import json
from pathlib import Path
from typing import Annotated

import typer

from fer_core.base.absent import declare_absent
from fer_core.base.errors import ArtifactError
from fer_core.base.params import Params

__all__ = ["compare"]

EVALUATIONS = Path("data/evaluation")


def compare(
    candidate: Annotated[
        str,
        typer.Argument(
            help="A student or teacher of data/evaluation, or the folder of an evaluation."
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
    from fer_core.evaluation.metrics.record import read_evaluation

    params = Params.load()
    declare_absent(params.values)
    options = params.section("evaluation", EvaluationOptions)
    models = [read_evaluation(_folder(name)) for name in (candidate, baseline)]
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
