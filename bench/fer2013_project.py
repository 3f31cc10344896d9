"""Clones of this project that train small networks on FER2013, for benches of one question."""

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from fer_cli.results.pages import commit_of_code
from fer_core.base import paths
from fer_core.base.files import new_folder, sha256_file, write_text
from fer_core.base.params import PARAMS_FILE, parse_section, read_params
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.comparison.comparison import compare_methods
from fer_core.evaluation.comparison.histories import read_history, rising
from fer_core.evaluation.comparison.pairs import Conditions, MethodPair
from fer_core.evaluation.comparison.significance import holm
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.readers import read_reliability_metrics
from fer_core.evaluation.metrics.record import read_evaluation
from fer_core.report.templates.load import page_environment

__all__ = [
    "ROOT",
    "SIDE",
    "SMALL",
    "TRAIN",
    "DataFolder",
    "PageFile",
    "WorkFolder",
    "after_holm",
    "after_scaling",
    "against",
    "ahead_of_bases",
    "both_label_sets",
    "commit_clone",
    "fer",
    "lay_clone",
    "made_by",
    "rendered",
    "val_rows",
    "write_page",
]

DataFolder = Annotated[Path, typer.Option(help="Folder of FER2013's table and FERPlus' votes.")]
WorkFolder = Annotated[Path, typer.Option(help="Folder of the clones of this project.")]
PageFile = Annotated[Path, typer.Option(help="Where the page of results is written.")]
ROOT = Path(__file__).parents[1]
SIDE = 48
SMALL: dict[str, Any] = {
    "cpu_threads": 1,
    "manifest.sources": ["fer2013"],
    "sets": {"publictest": {"usage": ["PublicTest"]}},
    "preprocessing.size": SIDE,
    "views.count": 4,
    "teachers": {"lite0": {"arch": "tf_efficientnet_lite0"}},
    "teacher.preprocessing": {"size": 64},
    "teacher.votes": 0.0,
    "teacher.train.epochs": 10,
    "ensemble.kinds": ["global"],
    "evaluation.compare_set": "publictest",
    "deploy.teachers": [],
}
"""What differs from the profile `fer2013`: one teacher, from ImageNet weights (`docs/weights.md`;
`FER_WEIGHTS` names the folder that holds them), and small faces.
"""


TRAIN: dict[str, Any] = {
    "epochs": 10,
    "batch": 64,
    "lr": 0.004,
    "min_lr": 0.00001,
    "weight_decay": 0.05,
    "lr_warmup_epochs": 1,
    "balance": "none",
    "grad_clip": 0.0,
    "precision": "fp32",
}
"""How the students of these benches are trained."""


def lay_clone(
    project: Path,
    changes: Mapping[str, Any],
    add_data: Callable[[Path], object],
    profile: str = "fer2013",
    cache: Path | None = None,
) -> None:
    """Make the clone, unless it is there, with a profile's parameters, these changes and data.

    Args:
        project: folder of the clone.
        changes: dotted names of params.yaml and their values.
        add_data: adds data sets to the clone.
        profile: the parameters' name.
        cache: folder of DVC's cache, for clones that share results; None for one of its own.
    """
    if project.exists():
        return
    values = read_params(ROOT / f"profiles/{profile}.yaml")
    for name, value in changes.items():
        *outer, last = name.split(".")
        section = values
        for key in outer:
            section = section[key]
        section[last] = value
    with new_folder(project) as clone:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        if cache is not None:
            dvc = str(Path(sys.executable).parent / "dvc")
            command = [dvc, "config", "--local", "cache.dir", str(cache)]
            subprocess.run(command, cwd=clone, check=True)
        write_text(clone / PARAMS_FILE, yaml.safe_dump(values, sort_keys=False))
        add_data(clone)
        fer(clone, "dag", "sync")


def val_rows(project: Path) -> int:
    """How many val rows a clone has."""
    return len(read_rows(project / "data/pack/dev").split("val"))


def commit_clone(project: Path) -> None:
    """Commit all that differs in a clone; trials are experiments on top of a commit."""
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    if subprocess.run(["git", "diff", "--cached", "--quiet"], cwd=project, check=False).returncode:
        names = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
        commit = ["git", *names, "commit", "--quiet", "--message", "Bench"]
        subprocess.run(commit, cwd=project, check=True)


def both_label_sets(data: Path) -> Callable[[Path], None]:
    """What adds FER2013 and FERPlus to a clone, from the folder of their tables."""

    def add(project: Path) -> None:
        for name in ("fer2013", "ferplus"):
            fer(project, "data", "add", name, str(data.resolve()))

    return add


def fer(project: Path, *arguments: str) -> None:
    """Run `fer` in a clone."""
    command = [sys.executable, "-P", "-c", "from fer_cli.main import main; main()", *arguments]
    environment = os.environ | {"PYTHONPATH": str(project)}
    subprocess.run(command, cwd=project, env=environment, check=True)


def against(
    base: Path,
    other: Path,
    name: str,
    seeds: Sequence[int],
    base_name: str | None = None,
    named_set: str | None = None,
    differ: Collection[str] = (),
) -> MethodPair:
    """What the other clone's trainings of a network are ahead of the base's.

    Args:
        base: folder of a clone.
        other: folder of one that has the same test rows.
        name: of the network: a teacher, or `METHOD-{seed}` for students, with that word for seeds.
        seeds: of the trainings that are compared.
        base_name: of the base's network, where it has another.
        named_set: on which they are compared; the first of `evaluation.compare_set` if None.
        differ: what their budgets are to differ in, such as `init_sha256`.
    """
    params = read_params(base / PARAMS_FILE)
    options = _evaluation(params)
    chosen = {"compare_set": named_set or options.compare_sets[0]}
    options = options.model_copy(update=chosen | {"allow_unequal_budgets": bool(differ)})
    runs, temperatures = {}, {}
    for project, called in ((base, base_name or name), (other, name)):
        of_seed = {}
        for seed in seeds:
            key = called.format(seed=seed)
            run = read_evaluation(project / f"data/evaluation/{key}")
            kept = read_calibration(project / f"data/calibration/{key}", run.test.model_sha256)
            # keys are the same in all clones, temperatures are not
            of_seed[seed] = replace(run, key=f"{project.name}/{key}")
            temperatures[of_seed[seed].key] = kept.temperature
        runs[project.name] = of_seed
    pairs, refused = compare_methods(runs, options, Conditions(temperatures), params["seed"])
    assert not refused, refused
    (pair,) = pairs
    assert set(pair.unequal) == set(differ), pair.unequal
    return pair


def ahead_of_bases(
    project: Path, arms: Mapping[str, str], seeds: Sequence[int]
) -> dict[str, MethodPair]:
    """What methods of one clone are ahead of other ones, with p-values adjusted over all arms.

    Args:
        project: folder of the clone.
        arms: method, and the one it is compared with.
        seeds: of the trainings.
    """
    data, params = project / "data", read_params(project / PARAMS_FILE)
    methods = sorted({*arms, *arms.values()})
    runs = {
        method: {seed: read_evaluation(data / f"evaluation/{method}-{seed}") for seed in seeds}
        for method in methods
    }
    histories = {
        method: [read_history(data / f"students/{method}-{seed}/record") for seed in seeds]
        for method in methods
    }
    temperatures = {
        run.key: read_calibration(
            data / f"calibration/{run.key}", run.test.model_sha256
        ).temperature
        for by_seed in runs.values()
        for run in by_seed.values()
    }
    conditions = Conditions(temperatures, {}, rising(histories))
    found = {}
    for arm, base in arms.items():
        both = {base: runs[base], arm: runs[arm]}
        ((pair,), refused) = compare_methods(both, _evaluation(params), conditions, params["seed"])
        assert not refused, refused
        found[arm] = pair
    return after_holm(found)


def after_scaling(
    project: Path, method: str, seeds: Sequence[int], named_set: str
) -> list[dict[str, Any]]:
    """Metrics of a method's trainings on a set of test rows, after temperature scaling."""
    return [
        read_reliability_metrics(project / f"data/calibration/{method}-{seed}")[named_set][
            "temperature_scaled"
        ]["metrics"]
        for seed in seeds
    ]


def _evaluation(params: Mapping[str, Any]) -> EvaluationOptions:
    return parse_section("evaluation", params["evaluation"], EvaluationOptions, PARAMS_FILE)


def after_holm(pairs: Mapping[Any, MethodPair]) -> dict[Any, MethodPair]:
    """The same comparisons, each with its p-value adjusted for there being all of them."""
    adjusted = holm([pair.macro_f1_p for pair in pairs.values()])
    return {
        key: replace(pair, macro_f1_holm_p=p, family=len(pairs))
        for (key, pair), p in zip(pairs.items(), adjusted, strict=True)
    }


def rendered(template: str, **values: Any) -> str:
    """Text from a template beside the benches."""
    environment = page_environment(Path(__file__).parent)
    return environment.get_template(template).render(**values)


def write_page(page: Path, template: str, clone: Path | None, **values: Any) -> None:
    """Write a page of results from a template beside the benches.

    Its last line names the code and the data of the clone that trained; None where none did.
    """
    text = rendered(template, **values)
    write_text(page, text if clone is None else f"{text.rstrip()}\n\n{made_by(clone)}\n")


def made_by(clone: Path) -> str:
    """A sentence that names the code and the data of a clone."""
    commit, manifest = commit_of_code(clone)[:7], sha256_file(clone / paths.MANIFEST)[:16]
    return (
        f"Trained with `fer_core` and `stages` as of commit `{commit}`; manifest sha256 "
        f"`{manifest}`."
    )
