"""`fer dag`: keep dvc.yaml true to params.yaml and to the code.

Four things in dvc.yaml follow from elsewhere, and `fer dag sync` rewrites exactly them: the keys of data sets, teachers, students,
initial weights and exported teachers (params.yaml), the fan-in lists over those keys, the params that a training stage reads only if
they are there, and code deps (what a stage file imports, directly or through other first-party modules). Labels, errors, logging and
the plumbing that only carries values are exempt from code deps: they do not change results, and a new error text must not retrain a
teacher.
"""

import ast
import io
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import typer
from ruamel.yaml import YAML

from fer_core.errors import ParamsError
from fer_core.files import write_text
from fer_core.params import PARAMS_FILE, read_params

__all__ = ["app", "code_deps", "synced"]

app = typer.Typer(no_args_is_help=True, help="Keep dvc.yaml true to params.yaml and to the code.")

DVC_FILE = Path("dvc.yaml")
_PACKAGES = ("fer_core", "stages")
_EXEMPT = {f"fer_core/{name}.py" for name in ("errors", "files", "labels", "logs", "params", "settings")} | {"stages/entry.py"}
_FAN_IN = {
    "manifest": ["data/clean/{source}.arrow"],
    "datasheet": ["data/clean/{source}.arrow"],
    "validate": ["data/clean/{source}.arrow"],
    "pack": ["data/clean/{source}.arrow"],
    "ensemble": ["data/logits/{teacher}/dev"],
    "leaderboard": ["data/logits/{teacher}/test"],
    "softlabels": ["data/logits/{teacher}/dev"],
    "hard_cases": ["data/logits/{teacher}/dev", "data/evaluation/{student}"],
    "compare": ["data/evaluation/{student}", "data/evaluation/{teacher}"],
    "onnx": ["data/sources/{source}.json"],
    "report": [
        "data/teachers/{final}/record",
        "data/students/{student}/record",
        "data/evaluation/{teacher}",
        "data/evaluation/{student}",
        "data/calibration/{teacher}",
        "data/calibration/{student}",
    ],
}
_TRAINED_ON = {"teacher_a": "teacher", "teacher_b": "teacher_b", "student": "student"}
"""Training stage -> the section whose `set` names the rows it learns from."""
_OPTIONAL = ("student.set", "student.preprocessing")


@app.callback()
def _group() -> None:
    """Keep dvc.yaml true to params.yaml and to the code."""


@app.command()
def sync() -> None:
    """Rewrite keys, fan-in lists and code deps of dvc.yaml."""
    before = DVC_FILE.read_text(encoding="utf-8")
    after = synced(before, read_params(PARAMS_FILE))
    if after != before:
        write_text(DVC_FILE, after)
    typer.echo("dvc.yaml rewritten" if after != before else "dvc.yaml is in step with params.yaml and the code")


def synced(text: str, params: dict[str, Any], root: Path = Path()) -> str:
    """The text of dvc.yaml with keys, fan-in lists and code deps as params and code demand; comments and all else are kept.

    Args:
        text: of dvc.yaml.
        params: all of params.yaml.
        root: folder of the code.

    Raises:
        ParamsError: params name no teacher, method, seed or architecture, or need a stage that the text lacks.
    """
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    stages = document["stages"]
    names = _names(params)
    for stage, keys in _keys(params, names, root).items():
        if stage in stages:
            stages[stage]["foreach"] = keys
        elif keys:
            raise ParamsError("The pipeline lacks a stage that params.yaml asks for.", where=DVC_FILE, expected=stage)
    for stage, body in stages.items():
        if _file(f"stages.{stage}", root) is None:
            continue  # a stage of the user's own
        body = body.get("do", body)
        fan_in = [
            template.format(**{kind: name})
            for template in _FAN_IN.get(stage, [])
            for kind in names
            if f"{{{kind}}}" in template
            for name in names[kind]
        ]
        own = [dep for dep in body["deps"] if not _is_code(dep) and not _matches(dep, _FAN_IN.get(stage, []))]
        per_item = [dep for dep in body["deps"] if dep.endswith(".py") and "${" in dep]
        body["deps"] = fan_in + own + per_item + code_deps(f"stages.{stage}", root, per_item)
        if stage in _TRAINED_ON:
            body["params"] = [name for name in body["params"] if not _is_optional(name)] + _optional_params(params, stage)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def code_deps(module: str, root: Path = Path(), per_item: Sequence[str] = ()) -> list[str]:
    """Files of a module and of every first-party module that it imports, directly or not, exempt ones left out.

    What the files of an item import counts too; those files themselves are deps of their items alone, which `per_item` names as dvc.yaml
    does (`fer_core/learning/losses/${item.loss}.py`).

    A package all of whose files are among them stands for them: dvc.lock, which DVC rewrites after every stage, stays short.
    """
    found: set[Path] = set()
    of_items = {path for dep in per_item for path in root.glob(re.sub(r"\$\{[^}]*\}", "*", dep))}
    open_ends = [module, *(name for path in of_items for name in _imports(path))]
    while open_ends:
        path = _file(open_ends.pop(), root)
        if path is None or path in found | of_items:
            continue
        found.add(path)
        open_ends += _imports(path)
    files = {path.relative_to(root).as_posix() for path in found} - _EXEMPT
    for package in sorted({str(Path(name).parent) for name in files} - set(_PACKAGES)):
        whole = {path.relative_to(root).as_posix() for path in (root / package).rglob("*.py") if path.name != "__init__.py"}
        if len(whole) > 1 and whole <= files:
            files = {name for name in files if not name.startswith(f"{package}/")} | {package}
    return sorted(files, key=lambda name: (not name.startswith("stages/"), name))


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """First-party modules that a file imports anywhere in its text."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in modules if name.split(".")[0] in _PACKAGES)


def _file(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else None


def _loss_of(params: dict[str, Any], method: str) -> str:
    """File of `learning/losses/` that a method uses: that of its own name, unless its section names another."""
    return str((params["student"].get(method) or {}).get("method") or method)


def _start_of(params: dict[str, Any], method: str) -> str | None:
    """Method whose students those of this one go on from.

    Raises:
        ParamsError: it is not trained, or the chain has no beginning.
    """

    def before(name: str) -> str | None:
        return (params["student"].get(name) or {}).get("start")

    seen = [method]
    while (name := before(seen[-1])) is not None:
        seen.append(name)
        where = f"{PARAMS_FILE}: student.{seen[-2]}.start"
        if name not in params["student"]["methods"]:
            raise ParamsError(
                "A student goes on from one that is not trained.", where=where, found=name, expected=params["student"]["methods"]
            )
        if name in seen[:-1]:
            raise ParamsError("Students go on from each other in a ring.", where=where, found=" → ".join(seen))
    return before(method)


def _needs_targets(method: str, root: Path) -> bool:
    """What the method's module says in its constant NEEDS_TARGETS."""
    path = root / "fer_core" / "learning" / "losses" / f"{method}.py"
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.py") if file.stem != "__init__")
        raise ParamsError("Unknown method.", where=f"{PARAMS_FILE}: student.methods", found=method, expected=", ".join(known))
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(name, ast.Name) and name.id == "NEEDS_TARGETS" for name in node.targets):
            return bool(ast.literal_eval(node.value))
    raise ParamsError("This method does not say whether it needs targets.", where=path, expected="a constant NEEDS_TARGETS")


def _names(params: dict[str, Any]) -> dict[str, list[str]]:
    try:
        student = params["student"]
        names = {
            "source": list(params["manifest"]["sources"]),
            "teacher": list(params["teachers"]),
            "final": [f"{tag}/{_stage(entry)}" for tag, entry in params["teachers"].items()],
            "student": [f"{method}-{seed}" for method in student["methods"] for seed in student["seeds"]],
            "arch": sorted({student["arch"], *(entry["arch"] for entry in params["teachers"].values())}),
        }
    except (KeyError, TypeError) as error:
        raise ParamsError(
            "Sources, teachers or students are not declared in full.", where=f"{PARAMS_FILE}: manifest, teachers, student", found=error
        ) from error
    for kind, values in names.items():
        if not values:
            raise ParamsError(f"There is no {kind}.", where=f"{PARAMS_FILE}: manifest.sources, teachers, student.methods, student.seeds")
    return names


def _keys(params: dict[str, Any], names: dict[str, list[str]], root: Path) -> dict[str, Any]:
    """The foreach of every stage whose keys follow params."""
    entries = params["teachers"]
    teachers = {tag: f"data/teachers/{tag}/{_stage(entry)}/model" for tag, entry in entries.items()}
    init = f"data/init/{params['student']['arch']}"
    students = {}
    for method in params["student"]["methods"]:
        loss = _loss_of(params, method)
        targets = "data/softlabels" if _needs_targets(loss, root) else "data/pack/dev/rows.parquet"
        start = _start_of(params, method)
        for seed in params["student"]["seeds"]:
            begin = init if start is None else f"data/students/{start}-{seed}/model"
            students[f"{method}-{seed}"] = {"method": method, "loss": loss, "seed": seed, "init": begin, "targets": targets}
    evaluations = {
        tag: {"model": model, "dev": f"data/logits/{tag}/dev", "test": f"data/logits/{tag}/test"} for tag, model in teachers.items()
    } | {key: {"model": f"data/students/{key}/model", "dev": "data/pack/dev", "test": "data/pack/test"} for key in names["student"]}
    return {
        "clean": names["source"],
        "init": names["arch"],
        "teacher_a": {tag: {"init": f"data/init/{entry['arch']}"} for tag, entry in entries.items()},
        "teacher_b": {tag: {"a": f"data/teachers/{tag}/a/model"} for tag, entry in entries.items() if _stage(entry) == "b"},
        "logits_dev": {tag: {"model": model} for tag, model in teachers.items()},
        "logits_test": {tag: {"model": model} for tag, model in teachers.items()},
        "student": students,
        "evaluate": evaluations,
        "calibrate": [*teachers, *names["student"]],
        "onnx_teacher": {tag: {"model": teachers[tag]} for tag in _exported(params)},
    }


def _stage(entry: dict[str, Any]) -> str:
    """Stage of a teacher whose model goes on to logits."""
    return str(entry.get("stage", "a"))


def _exported(params: dict[str, Any]) -> list[str]:
    """Tags of the teachers that are exported too."""
    tags = list(params.get("deploy", {}).get("teachers", []))
    if unknown := [tag for tag in tags if tag not in params["teachers"]]:
        known = ", ".join(params["teachers"])
        raise ParamsError("There is no such teacher to export.", where=f"{PARAMS_FILE}: deploy.teachers", found=unknown, expected=known)
    return tags


def _optional_params(params: dict[str, Any], stage: str) -> list[str]:
    """Params that a training stage reads if they are there: entries of `student`, and the filter of the named set it learns from."""
    section = params.get(_TRAINED_ON[stage], {})
    named = [f"sets.{section['set']}"] if section.get("set") is not None else []
    return [name for name in _OPTIONAL if stage == "student" and section.get(name.partition(".")[2]) is not None] + named


def _is_optional(param: str) -> bool:
    return param.startswith("sets.") or param in _OPTIONAL


def _is_code(dep: str) -> bool:
    return dep.endswith(".py") or dep.split("/")[0] in _PACKAGES


def _matches(dep: str, templates: list[str]) -> bool:
    """Whether a dep is an instance of a fan-in template: it begins and ends as the template does."""
    ends = (template.partition("{")[::2] for template in templates)
    return any(dep.startswith(head) and dep.endswith(tail.partition("}")[2]) for head, tail in ends)
