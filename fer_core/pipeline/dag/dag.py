"""dvc.yaml as params.yaml and the code demand it.

Five things in dvc.yaml follow from elsewhere, and `synced` rewrites exactly them: the keys of data
sets, teachers, students, initial weights and exported teachers (params.yaml), the fan-in lists over
those keys, the students' val scores among the metrics, the params that a training stage reads only
if they are there, and code deps. Stages that fuse teachers become comments where there are none,
and come back with them; so do those of teachers from elsewhere with the first one, and those of
adaptation, cross-validation, faces without labels and data sets left out with the sections `adapt`,
`crossval`, `student.unlabelled` and `cross_dataset`.
"""

import io
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from fer_core.base.errors import ParamsError
from fer_core.pipeline.dag.code import code_deps, code_files, is_code, stage_module
from fer_core.pipeline.dag.keys import folds_of, keys_of, names_of, trained_teachers

__all__ = ["DVC_FILE", "read_pipeline", "synced"]

DVC_FILE = Path("dvc.yaml")
_FAN_IN = {
    "manifest": ["data/clean/{source}.arrow"],
    "datasheet": ["data/clean/{source}.arrow", "data/sources/{source}.json"],
    "validate": ["data/clean/{source}.arrow"],
    "pack": ["data/clean/{source}.arrow"],
    "ensemble": ["data/logits/{teacher}/dev"],
    "leaderboard": ["data/logits/{teacher}/test"],
    "softlabels": ["data/logits/{teacher}/dev"],
    "unlabelled": [
        "data/clean/{source}.arrow",
        "data/clean/{unlabelled}.arrow",
        "data/teachers/{final}/model",
    ],
    "hard_cases": ["data/logits/{teacher}/dev", "data/evaluation/{student}"],
    "compare": [
        "data/evaluation/{student}",
        "data/evaluation/{teacher}",
        "data/calibration/{student}",
        "data/calibration/{teacher}",
        "data/students/{student}/record",
    ],
    "cross_dataset_matrix": ["data/cross_dataset/{left_out}"],
    "fairness": ["data/clean/{source}.arrow"],
    "adapt_gate": ["data/sources/{session}.json"],
    "onnx": ["data/sources/{source}.json", "data/teachers/{outside}/outside"],
    "report": [
        "data/teachers/{final}/record",
        "data/teachers/{outside}/outside",
        "data/students/{taught}/model",
        "data/students/{student}/record",
        "data/evaluation/{teacher}",
        "data/evaluation/{student}",
        "data/calibration/{teacher}",
        "data/calibration/{student}",
    ],
}
_ONLY_WITH = {
    "teacher": {
        "report": [
            "data/ensemble",
            "data/leaderboard",
            "data/softlabels/ensemble_metrics.json",
            "data/hard_cases",
        ]
    },
    "crossval": {"report": ["metrics/crossval.json"], "onnx": ["metrics/crossval.json"]},
    "cross_dataset": {"report": ["metrics/cross_dataset.json"]},
    "outside": {"report": ["data/softlabels"], "onnx": ["data/softlabels"]},
}
"""Kind of name -> stage -> what it reads only where there is one of it."""
_NEEDING = {
    "teacher": ("ensemble", "leaderboard", "softlabels", "hard_cases"),
    "outside": ("logits_outside",),
    "session": ("adapt", "adapt_gate"),
    "crossval": ("crossval",),
    "unlabelled": ("unlabelled",),
    "cross_dataset": ("cross_dataset", "cross_dataset_matrix"),
}
"""Kind of name -> the stages that are left out where there is none of it."""
_HIDDEN = "#~"
"""Begins the lines of a stage that is left out: without teachers nothing can be fused."""
_SECTIONS = {
    "teacher_a": ["teacher"],
    "teacher_b": ["teacher_b"],
    "teacher_fold": ["teacher", "teacher_b"],
    "student": ["student"],
    "crossval": ["student"],
    "cross_dataset": ["student"],
    "cross_dataset_matrix": ["student"],
}
"""Training stage -> the sections whose `set` may name the rows it learns from."""
_OPTIONAL = {
    "pack": [],
    "student": ["cpu_threads", "student.set", "student.preprocessing", "student.init"],
    "adapt": ["cpu_threads", "student.preprocessing"],
    "teacher_a": ["cpu_threads", "teacher.set", "teacher.votes", "teacher.preprocessing"],
    "teacher_b": ["cpu_threads"],
    "teacher_fold": ["cpu_threads", "teacher_b"],
    "logits_dev": ["cpu_threads", "teacher.folds"],
    "logits_test": ["cpu_threads"],
    "logits_outside": ["cpu_threads"],
    "predict": ["cpu_threads", "student.mirror"],
    "calibrate": ["deploy.calibration"],
    "onnx": ["student.init", "student.mirror", "crossval"],
    "report": ["crossval", "cross_dataset"],
    "crossval": ["cpu_threads"],
    "cross_dataset": ["cpu_threads", "student.set", "student.preprocessing", "student.mirror"],
    "cross_dataset_matrix": ["manifest.eval_only", "student.set"],
    "adapt_gate": ["student.mirror"],
    "softlabels": ["targets"],
    "unlabelled": ["cpu_threads", "targets"],
    "compare": ["student.trials"],
}
"""Stage -> params that it reads if they are there."""
_WITH_OUTSIDE = {"onnx": ["teachers"]}
"""Stage -> params that it reads where there are teachers from elsewhere."""
_ENTRY = {
    "teacher_a": "teachers.${key}",
    "teacher_b": "teachers.${key}",
    "teacher_fold": "teachers.${item.teacher}",
}
"""Training stage -> the teacher's entry, of which it reads the architecture, or all of it where
some teacher has options of its own.
"""
_ABSENT = "fer_core/base/absent.py"
"""A stage whose code asks which classes are absent reads the section `labels`."""
_WIDTH = 130  # of a list that a person need not read item by item
_BETWEEN = re.compile(r"(?<!^stages:)\n+(  \w+:\n|(?:metrics|plots|artifacts):\n)", re.M)
"""An empty line before every stage but the first, and before what follows the stages."""
_DEPS = re.compile(r"^( +)deps:\n((?:\1  - .*\n)+)", re.M)
"""A stage's deps as ruamel writes them, one on a line."""
_FOLD = "data/teachers/${key}/folds/"
_RESTORE = "correct it, or `git checkout -- dvc.yaml` and then `fer dag sync`"


def read_pipeline() -> str:
    """The text of dvc.yaml.

    Raises:
        ParamsError: there is none in the working folder, or it is no text.
    """
    try:
        return DVC_FILE.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        remedy = "run from the project's root; `git checkout -- dvc.yaml` restores it there"
        raise ParamsError(
            "The pipeline's file is missing.", where=DVC_FILE.absolute(), remedy=remedy
        ) from error
    except UnicodeDecodeError as error:
        raise ParamsError(
            "The pipeline's file is not text.", where=DVC_FILE, found=error, remedy=_RESTORE
        ) from error


def synced(text: str, params: dict[str, Any], root: Path = Path()) -> str:
    """The text of dvc.yaml with keys, fan-in lists and code deps as params and code demand;
    comments and all else are kept.

    Args:
        text: of dvc.yaml.
        params: all of params.yaml, checked by `check_params`.
        root: folder of the code.

    Raises:
        ParamsError: params name no teacher, method, seed or architecture, the text is no pipeline,
            or it lacks a stage that params need.
    """
    round_trip = YAML(typ="rt")  # keeps comments; builds plain values only
    round_trip.width = 4096
    round_trip.indent(mapping=2, sequence=4, offset=2)
    document = _document(round_trip, re.sub(f"^{_HIDDEN}", "", text, flags=re.M), root)
    stages = document["stages"]
    names = names_of(params)
    for stage, keys in keys_of(params, names, root).items():
        if stage in stages:
            stages[stage]["foreach"] = keys
        elif keys:
            raise ParamsError(
                "The pipeline lacks a stage that params.yaml asks for.",
                where=DVC_FILE,
                expected=stage,
            )
    for stage, body in stages.items():
        body = body.get("do", body)
        if (module := stage_module(body["cmd"], root)) is None:
            continue  # a stage of the user's own
        fan_in = [
            template.format(**{kind: name})
            for template in _FAN_IN.get(stage, [])
            for kind in names
            if f"{{{kind}}}" in template
            for name in names[kind]
        ]
        at_times = {kind: some.get(stage, []) for kind, some in _ONLY_WITH.items()}
        own = [
            dep
            for dep in body["deps"]
            if not is_code(dep)
            and not _matches(dep, _FAN_IN.get(stage, []))
            and not any(dep in some for some in at_times.values())
        ]
        own += [dep for kind, some in at_times.items() if names[kind] for dep in some]
        per_item = [dep for dep in body["deps"] if dep.endswith(".py") and "${" in dep]
        if stage == "logits_dev":
            own = [dep for dep in own if not dep.startswith(_FOLD)] + [
                f"{_FOLD}${{item.stage}}/{fold}/model" for fold in range(folds_of(params))
            ]
        body["deps"] = fan_in + own + per_item + code_deps(module, root, per_item)
        if "labels" in params and root / _ABSENT in code_files(module, root, per_item):
            body["params"] = [*(n for n in body.get("params", []) if n != "labels"), "labels"]
        elif "labels" in body.get("params", []):
            body["params"] = [name for name in body["params"] if name != "labels"]
        if stage in _OPTIONAL or stage in _SECTIONS:
            body["params"] = [
                name for name in body["params"] if not _is_optional(stage, name)
            ] + _optional_params(params, stage)
        if (entry := _ENTRY.get(stage)) is not None:
            body["params"] = [
                name for name in body["params"] if not name.startswith(entry)
            ] + _of_entry(params, stage, entry)
    document["metrics"] = [
        "metrics/headline.json",
        *(f"data/students/{key}/record/val.json" for key in names["student"]),
    ]
    ours = [
        stage
        for stage, outer in stages.items()
        if stage_module(outer.get("do", outer)["cmd"], root) is not None
    ]
    for stage in ours:
        _lay_out(stages[stage])
    stream = io.StringIO()
    round_trip.dump(document, stream)
    found = _BETWEEN.sub(r"\n\n\1", stream.getvalue())
    hidden = {one for kind, some in _NEEDING.items() if not names[kind] for one in some}
    for stage in ours:

        def rewritten(block: re.Match[str], hides: bool = stage in hidden) -> str:
            lines = _DEPS.sub(_in_paragraphs, block[0])
            return re.sub("^(?=.)", _HIDDEN, lines, flags=re.M) if hides else lines

        found = re.sub(rf"^  {stage}:\n(?:    .*\n)+", rewritten, found, flags=re.M)
    return found


def _lay_out(outer: Any) -> None:
    """Put short lists and mappings of a stage on one line each, so that a person sees the graph and
    not its punctuation.
    """
    body = outer.get("do", outer)
    keys = outer.get("foreach")
    if isinstance(keys, dict) and keys:
        outer["foreach"] = {key: _on_one_line(dict(item)) for key, item in keys.items()}
    elif isinstance(keys, list) and _fits("foreach", keys):
        outer["foreach"] = _on_one_line(list(keys))
    for name in ("params", "outs", "metrics"):
        entries = body.get(name, [])
        for entry in entries:
            if isinstance(entry, dict):
                for path, options in entry.items():
                    entry[path] = _on_one_line(dict(options))
        if name in body and all(isinstance(entry, str) for entry in entries):
            if _fits(name, entries):
                body[name] = _on_one_line(list(entries))
            else:
                body[name] = list(entries)


def _in_paragraphs(block: re.Match[str]) -> str:
    """A list of deps as lines of data and lines of code, so that a stage fits on half a screen."""
    inside, entries = f"{block[1]}  ", re.findall(r"- (.*)\n", block[2])
    entries = [f"'{entry}'" if "${" in entry and entry[0] != "'" else entry for entry in entries]
    data = [entry for entry in entries if not is_code(entry.strip("'"))]
    code = [entry for entry in entries if is_code(entry.strip("'"))]
    lines = [
        line
        for some in (data, code)
        for line in textwrap.wrap(
            ", ".join(some), _WIDTH - len(inside), break_long_words=False, break_on_hyphens=False
        )
    ]
    joined = "\n".join(f"{inside}{line.rstrip(',')}," for line in lines).rstrip(",")
    return f"{block[1]}deps: [\n{joined}]\n"


def _fits(name: str, entries: Sequence[str]) -> bool:
    return len(f"      {name}: [{', '.join(entries)}]") <= _WIDTH


def _on_one_line(values: Any) -> Any:
    """The mapping or list as ruamel writes it on one line."""
    found = CommentedMap(values) if isinstance(values, dict) else CommentedSeq(values)
    found.fa.set_flow_style()
    return found


def _document(round_trip: YAML, text: str, root: Path) -> Any:
    """What the text of dvc.yaml holds.

    Raises:
        ParamsError: not YAML, no stages, or a stage of ours without the lists that are rewritten
            here.
    """
    try:
        document = round_trip.load(text)
    except YAMLError as error:
        raise ParamsError(
            "The pipeline's file is not valid YAML.", where=DVC_FILE, found=error, remedy=_RESTORE
        ) from error
    stages = document.get("stages") if isinstance(document, dict) else None
    if not isinstance(stages, dict):
        raise ParamsError("The pipeline's file holds no stages.", where=DVC_FILE, remedy=_RESTORE)
    for stage, outer in stages.items():
        body = outer.get("do", outer) if isinstance(outer, dict) else None
        if not isinstance(body, dict) or "cmd" not in body:
            raise ParamsError(
                "A stage lacks its command.",
                where=f"{DVC_FILE}: stages.{stage}.cmd",
                remedy=_RESTORE,
            )
        if stage_module(body["cmd"], root) is None:
            continue
        lists = ["deps", "params"] if stage in _OPTIONAL or stage in _SECTIONS else ["deps"]
        for name in lists:
            found = body.get(name)
            if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
                raise ParamsError(
                    "A stage lacks a list of names.",
                    where=f"{DVC_FILE}: stages.{stage}.{name}",
                    found=found,
                    remedy=_RESTORE,
                )
    return document


def _optional_params(params: dict[str, Any], stage: str) -> list[str]:
    """Params that a stage reads if they are there, and the filters of the named sets it learns
    from.
    """
    named = [params.get(section, {}).get("set") for section in _SECTIONS.get(stage, [])]
    if stage == "pack":
        named = params["pack"].get("train_sets") or []
    optional = [name for name in _OPTIONAL.get(stage, []) if _value(params, name) is not None]
    if len(trained_teachers(params)) < len(params["teachers"]):
        optional += _WITH_OUTSIDE.get(stage, [])
    return optional + [f"sets.{name}" for name in dict.fromkeys(named) if name is not None]


def _of_entry(params: dict[str, Any], stage: str, entry: str) -> list[str]:
    """What a training stage reads of the teacher's own entry."""
    if any("a" in one or "b" in one for one in params["teachers"].values()):
        return [entry]
    return [] if stage == "teacher_b" else [f"{entry}.arch"]


def _value(params: dict[str, Any], name: str) -> Any:
    """Value of a dotted name, or None where it is not there."""
    for part in name.split("."):
        params = params.get(part) if isinstance(params, dict) else None  # type: ignore[assignment]
    return params


def _is_optional(stage: str, param: str) -> bool:
    known = (*_OPTIONAL.get(stage, []), *_WITH_OUTSIDE.get(stage, []))
    return param.startswith("sets.") or param in known


def _matches(dep: str, templates: list[str]) -> bool:
    """Whether a dep is an instance of a fan-in template: it begins and ends as the template
    does.
    """
    ends = (template.partition("{")[::2] for template in templates)
    return any(dep.startswith(head) and dep.endswith(tail.partition("}")[2]) for head, tail in ends)
