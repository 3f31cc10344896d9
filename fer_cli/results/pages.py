"""Pages of results as Markdown: the outcome of a run, and its training methods against each
other. Both are renderings of the facts that the report shows too.
"""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_cli.results.goals import ABOVE_FLOOR, BASELINE, GAIN, goals, val_mean
from fer_cli.results.tables import compare_sets, read_metrics, templates
from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_file
from fer_core.base.glossary import words_section
from fer_core.base.labels import CLASSES
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.base.settings import project_root

if TYPE_CHECKING:
    from fer_cli.results.trainings import Training
    from fer_core.report.facts.collect import RunFacts

__all__ = ["distillation_page", "results_page", "trainings_page", "trust_page"]

_DATA, _METRICS = Path("data"), Path("metrics")
_TRIALS = ("method", "settings", "best", "val_macro_f1", "val_accuracy", "val_nll")


def results_page(title: str, out: Path, trials: Path | None = None) -> dict[Path, str]:
    """Provenance, data, every named test set, comparison in words, training and latency; and
    pictures of the curves.

    Args:
        title: heading.
        out: where the page is written; the pictures lie beside it.
        trials: table written by `fer tune show --out`, or None.

    Returns:
        Path and text of each file.

    Raises:
        ArtifactError: an artifact or the table of trials is missing, or of another run.
    """
    from fer_cli.results.trainings import trainings
    from fer_core.report.facts.here import collect_here

    facts = _facts()
    here = collect_here(_METRICS, project_root(), facts)
    found = trainings(facts.scope, _DATA)
    pictures = _pictures(found, out)
    page = _page(
        "results",
        title,
        facts,
        trainings=found,
        pictures=[path.name for path in pictures],
        trials=None if trials is None else _read_trials(trials),
        latency=here.latency.to_dict("records"),
    )
    return {out: page, **pictures}


def trainings_page(title: str, out: Path) -> dict[Path, str]:
    """What each training took, and pictures of the curves. It reads models and records alone, so a
    run that has only trained has this page.

    Args:
        title: heading.
        out: where the page is written; the pictures lie beside it.

    Returns:
        Path and text of each file.

    Raises:
        ArtifactError: a record is missing, or it or a model is damaged.
    """
    from fer_cli.results.trainings import trainings
    from fer_core.report.facts.collect import read_scope

    found = trainings(read_scope(), _DATA)
    pictures = _pictures(found, out)
    names = [path.name for path in pictures]
    template = templates().get_template("trainings.md.j2")
    page: str = template.render(title=title, trainings=found, pictures=names)
    return {out: page + words_section(page), **pictures}


def trust_page(title: str, out: Path) -> dict[Path, str]:
    """How far to trust the deployed student, with pictures.

    Args:
        title: heading.
        out: where the page is written; the pictures lie beside it.

    Returns:
        Path and text of each file.

    Raises:
        ArtifactError: an artifact is missing, or of another run.
    """
    from fer_cli.results.trust import render_trust

    facts = _facts()
    page: str = (
        templates()
        .get_template("made.md.j2")
        .render(made=_provenance(facts), deployed=facts.deployed.evaluation)
    )
    return render_trust(title, page, {**facts.trust, "cross_dataset": facts.cross_dataset}, out)


def _pictures(found: "list[Training]", out: Path) -> dict[Path, str]:
    """Curves of teachers and of students, beside the page."""
    from fer_cli.results.trainings import curves_picture

    pictures = {}
    for whose, are_students in (("teachers", False), ("students", True)):
        if mine := [one for one in found if one.is_student is are_students]:
            words = f"Macro-F1 on val rows of the {whose} after each epoch"
            pictures[out.with_name(f"{out.stem}-{whose}.svg")] = curves_picture(mine, words)
    return pictures


def distillation_page(title: str, trials: Path | None) -> str:
    """Protocol, goals, tuning, methods over seeds, paired differences, F1 of each class and every
    run.

    Args:
        title: heading.
        trials: table written by `fer tune show --out`, or None.

    Raises:
        ArtifactError: an artifact or the table of trials is missing.
    """
    from fer_core.pipeline.schema.methods import learns_from_teachers
    from fer_core.report.facts.doubt import doubt_words

    facts, params = _facts(), read_params()
    scope, compared = facts.scope, compare_sets(params)
    budgets = {key: model.evaluation.budget for key, model in facts.each_student()}
    taught = [method for method in scope.methods if learns_from_teachers(params, method)]
    alike = [{**budget, "tuned": None} for budget in budgets.values()]
    return _page(
        "distillation",
        title,
        facts,
        student=params["student"],
        budgets=budgets,
        same_budget=all(budget == alike[0] for budget in alike),
        settings={
            method: budgets[scope.runs(method)[-1]]["tuned"] | params["student"].get(method, {})
            for method in scope.methods
        },
        compared=compared,
        doubts=[doubt_words(facts, name) for name in compared],
        goals=[goals(facts, name, taught) for name in compared],
        baseline=BASELINE,
        gain=GAIN,
        above_floor=ABOVE_FLOOR,
        trials=None if trials is None else _read_trials(trials),
        val={
            method: {one: val_mean(facts, method, one) for one in ("accuracy", "macro_f1", "nll")}
            for method in scope.methods
        },
        classes=CLASSES,
    )


def _facts() -> "RunFacts":
    # every `fer` command would wait for it
    from fer_core.report.facts.collect import collect_facts, read_scope

    return collect_facts(_DATA, read_scope())


def _page(name: str, title: str, facts: "RunFacts", **more: Any) -> str:
    from fer_core.report.facts.tables import leaderboard_lines, students_lines
    from fer_core.report.facts.trust import unfinished_methods

    lines, sets = leaderboard_lines(facts), list(facts.deployed.evaluation.sets)
    text: str = (
        templates()
        .get_template(f"{name}.md.j2")
        .render(
            title=title,
            run=facts,
            made=_provenance(facts),
            boards={one: [line for line in lines if line["set"] == one] for one in sets},
            methods={one: students_lines(facts, one) for one in sets},
            unfinished=unfinished_methods(facts),
            **more,
        )
    )
    return text + words_section(text)


def commit_of_code(folder: Path) -> str:
    """The last commit of a checkout that changed `fer_core` or `stages`; "" where there is none."""
    log = ["git", "log", "-1", "--format=%H", "--", "fer_core", "stages"]
    done = subprocess.run(log, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _provenance(facts: "RunFacts") -> dict[str, Any]:
    """What names code, parameters, data and machine."""
    params = sha256_file(PARAMS_FILE)
    profiles = [
        f"profile `{path.stem}`"
        for path in sorted(Path("profiles").glob("*.yaml"))
        if sha256_file(path) == params
    ]
    return {
        "commit": commit_of_code(Path()) or "no git commit",
        "profile": profiles[0] if profiles else "no profile",
        "params_sha256": params,
        "manifest_sha256": facts.validation["manifest_sha256"],
        "training": facts.models[facts.scope.students[0]].surroundings,
    }


def _read_trials(path: Path) -> list[dict[Any, Any]]:
    table = read_metrics(path)
    if missing := {*_TRIALS} - set(table.columns):
        raise ArtifactError(
            "This is no table of trials.",
            where=path,
            found=f"no {', '.join(sorted(missing))}",
            remedy="fer tune show --out",
        )
    return table.to_dict("records")
