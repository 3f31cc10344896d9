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
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fer_core.base.errors import ParamsError
from fer_core.pipeline.dag.code import code_deps, code_files, is_code, stage_module
from fer_core.pipeline.dag.keys import folds_of, keys_of, names_of, outside_files, trained_teachers
from fer_core.pipeline.dag.layout import in_paragraphs, lay_out, uncovered
from fer_core.pipeline.dag.reading import DVC_FILE, parsed
from fer_core.pipeline.dag.unseen import value_of, with_unseen

__all__ = ["synced"]

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
        "data/teachers/{outside}/outside",
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
    "cross_dataset": {
        "report": ["metrics/cross_dataset.json"],
        "onnx": ["metrics/cross_dataset.json"],
    },
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
_PARTS = {"teacher_a": ("a",), "teacher_b": ("b",), "teacher_fold": ("a", "b")}
"""Training stage -> parts of a teacher's own options, whose `set` may name rows too."""
_OPTIONAL = {
    "pack": [],
    "student": ["cpu_threads", "student.set", "student.preprocessing", "student.init"],
    "adapt": ["cpu_threads", "student.preprocessing"],
    "teacher_a": ["cpu_threads", "teacher.set", "teacher.votes", "teacher.preprocessing"],
    "teacher_b": ["cpu_threads"],
    "teacher_fold": ["cpu_threads", "teacher_b"],
    "logits_dev": ["cpu_threads", "teacher.folds", "teacher.mirror"],
    "logits_test": ["cpu_threads", "teacher.mirror"],
    "logits_outside": ["cpu_threads"],
    "predict": ["cpu_threads", "student.mirror"],
    "calibrate": ["deploy.calibration"],
    "onnx": ["student.init", "student.mirror", "crossval", "cross_dataset.left_out"],
    "onnx_teacher": ["teacher.mirror"],
    "reference": ["student.preprocessing"],
    "report": ["crossval", "cross_dataset", "pack.most_per_class"],
    "crossval": ["cpu_threads"],
    "cross_dataset": ["cpu_threads", "student.set", "student.preprocessing", "student.mirror"],
    "cross_dataset_matrix": ["manifest.eval_only", "student.set"],
    "adapt_gate": ["student.mirror"],
    "softlabels": ["targets"],
    "unlabelled": ["cpu_threads", "targets", "teacher.mirror"],
    "compare": ["student.trials"],
}
"""Stage -> params that it reads if they are there."""
_WITH_OUTSIDE = {"onnx": ["teachers"], "unlabelled": ["preprocessing"]}
"""Stage -> params that it reads where there are teachers from elsewhere."""
_ABSENT = "fer_core/base/absent.py"
"""A stage whose code asks which classes are absent reads the section `labels`."""
_FOLD = "data/teachers/${key}/folds/"


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
    document = parsed(round_trip, uncovered(text), root, {*_OPTIONAL, *_SECTIONS})
    stages, names = document["stages"], names_of(params)
    _set_keys(stages, keys_of(params, names, root))
    ours = {
        stage: module
        for stage, outer in stages.items()
        if (module := stage_module(outer.get("do", outer)["cmd"], root)) is not None
    }
    for stage, module in ours.items():
        body = stages[stage].get("do", stages[stage])
        per_item = [dep for dep in body["deps"] if dep.endswith(".py") and "${" in dep]
        data = _data_deps(stage, body["deps"], params, names)
        body["deps"] = data + per_item + code_deps(module, root, per_item)
        knows_absent = root / _ABSENT in code_files(module, root, per_item)
        read = _params_of(stage, body.get("params", []), params, knows_absent)
        if read or "params" in body:
            body["params"] = read
        lay_out(stages[stage])
    document["metrics"] = [
        "metrics/headline.json",
        *(f"data/students/{key}/record/val.json" for key in names["student"]),
    ]
    stream = io.StringIO()
    round_trip.dump(document, stream)
    hidden = {one for kind, some in _NEEDING.items() if not names[kind] for one in some}
    return in_paragraphs(stream.getvalue(), {stage: stage in hidden for stage in ours})


def _set_keys(stages: Any, keys: dict[str, Any]) -> None:
    """Write the keys of every stage that is run for several.

    Raises:
        ParamsError: params ask for a stage that is not there.
    """
    for stage, of_stage in keys.items():
        if stage in stages:
            stages[stage]["foreach"] = of_stage
        elif of_stage:
            raise ParamsError(
                "The pipeline lacks a stage that params.yaml asks for.",
                where=DVC_FILE,
                expected=stage,
            )


def _data_deps(
    stage: str, deps: list[str], params: dict[str, Any], names: dict[str, list[str]]
) -> list[str]:
    """What a stage reads that is no code: of every name that it fans in, its own, and what it reads
    only where there is some name of a kind.
    """
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
        for dep in deps
        if not is_code(dep)
        and not _matches(dep, _FAN_IN.get(stage, []))
        and not any(dep in some for some in at_times.values())
    ]
    own += [dep for kind, some in at_times.items() if names[kind] for dep in some]
    if stage == "logits_dev":
        own = [dep for dep in own if not dep.startswith(_FOLD)] + [
            f"{_FOLD}${{item.stage}}/{fold}/model" for fold in range(folds_of(params))
        ]
    if stage == "unlabelled":
        own = [dep for dep in own if dep.startswith("data/")]
        own = list(dict.fromkeys([*own, *outside_files(params)]))
    return fan_in + own


def _params_of(
    stage: str, read: list[str], params: dict[str, Any], knows_absent: bool
) -> list[str]:
    """The params of a stage, with those that it reads if they are there.

    Args:
        stage: its name.
        read: what its list says now.
        params: all of params.yaml.
        knows_absent: whether its code asks which classes are absent.
    """
    before = read
    read = [name for name in read if name != "labels"]
    if "labels" in params and knows_absent:
        read.append("labels")
    if stage in _OPTIONAL or stage in _SECTIONS:
        read = [name for name in read if not _is_optional(stage, name)]
        read += _optional_params(params, stage)
    return with_unseen(params, read, before)


def _optional_params(params: dict[str, Any], stage: str) -> list[str]:
    """Params that a stage reads if they are there, and the filters of the named sets it learns
    from.
    """
    named = [params.get(section, {}).get("set") for section in _SECTIONS.get(stage, [])]
    for part in _PARTS.get(stage, ()):
        named += [one.get(part, {}).get("set") for one in trained_teachers(params).values()]
    if stage == "pack":
        named = params["pack"].get("train_sets") or []
    optional = [name for name in _OPTIONAL.get(stage, []) if value_of(params, name) is not None]
    if len(trained_teachers(params)) < len(params["teachers"]):
        optional += _WITH_OUTSIDE.get(stage, [])
    if stage == "pack" and params["pack"].get("most_per_class"):
        return [*optional, "sets"]
    return optional + [f"sets.{name}" for name in dict.fromkeys(named) if name is not None]


def _is_optional(stage: str, param: str) -> bool:
    known = (*_OPTIONAL.get(stage, []), *_WITH_OUTSIDE.get(stage, []))
    of_trial = stage == "pack" and param == "sets"
    return param.startswith("sets.") or of_trial or param in known


def _matches(dep: str, templates: list[str]) -> bool:
    """Whether a dep is an instance of a fan-in template: it begins and ends as the template
    does.
    """
    ends = (template.partition("{")[::2] for template in templates)
    return any(dep.startswith(head) and dep.endswith(tail.partition("}")[2]) for head, tail in ends)
