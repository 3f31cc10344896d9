"""Keys of the pipeline's stages, as params.yaml declares them: data sets, teachers and their folds,
students, exported teachers.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_core.base.errors import ParamsError
from fer_core.base.params import PARAMS_FILE
from fer_core.base.paths import ADAPTED
from fer_core.outside.described.description import OUTSIDE
from fer_core.outside.described.options import is_outside
from fer_core.pipeline.dag.cleaning import clean_keys
from fer_core.pipeline.dag.unseen import unseen_in
from fer_core.training.crossdata.options import trainings_of
from fer_core.training.students.needs import Needs

__all__ = [
    "folds_of",
    "is_guided",
    "keys_of",
    "loss_of",
    "names_of",
    "needs_of",
    "outside_files",
    "trained_teachers",
]


_NEEDED = {
    "source": ("manifest.sources", "list a data set that `fer data list` shows"),
    "student": (
        "student.methods and student.seeds",
        "`methods: [ce]` with `seeds: [1337]` trains one plain classifier",
    ),
}


def names_of(params: dict[str, Any]) -> dict[str, list[str]]:
    """Names of what fan-in lists run over: source, teacher, final (the last stage of a teacher that
    is trained here), outside (a teacher from elsewhere), taught (a student, where there are such
    teachers), student, session (a data set to adapt to), crossval (a student), unlabelled (a data
    set whose faces without labels teach), left_out (a training without a data set), cross_dataset
    (that there are such) and arch; of all but source, student and arch there may be none.

    Raises:
        ParamsError: another of these is not declared.
    """
    try:
        student = params["student"]
        trained = trained_teachers(params)
        outside = [tag for tag in params["teachers"] if tag not in trained]
        names = {
            "source": list(params["manifest"]["sources"]),
            "teacher": list(params["teachers"]),
            "final": [f"{tag}/{_stage(entry)}" for tag, entry in trained.items()],
            "outside": outside,
            "student": [
                f"{method}-{seed}" for method in student["methods"] for seed in student["seeds"]
            ],
            "session": list((params.get("adapt") or {}).get("sources", [])),
            "crossval": [params["deploy"]["student"]] if params.get("crossval") else [],
            "unlabelled": list((student.get("unlabelled") or {}).get("sources", [])),
            "left_out": list(trainings_of(params)),
            "cross_dataset": ["on"] if (params.get("cross_dataset") or {}).get("left_out") else [],
            "arch": sorted({student["arch"], *(entry["arch"] for entry in trained.values())}),
        }
        names["taught"] = names["student"] if outside else []
    except (KeyError, TypeError) as error:
        raise ParamsError(
            "Sources, teachers or students are not declared in full.",
            where=f"{PARAMS_FILE}: manifest, teachers, student",
            found=error,
        ) from error
    for kind, (key, remedy) in _NEEDED.items():
        if not names[kind]:
            raise ParamsError(f"There is no {kind}.", where=f"{PARAMS_FILE}: {key}", remedy=remedy)
    return names


def keys_of(params: dict[str, Any], names: dict[str, list[str]], root: Path) -> dict[str, Any]:
    """The foreach of every stage whose keys follow params.

    Args:
        params: all of params.yaml.
        names: of `names_of`.
        root: folder of the code and of the descriptors.

    Raises:
        ParamsError: an unknown method, start of a chain, teacher to export, or data set.
    """
    entries = trained_teachers(params)
    teachers = {tag: f"data/teachers/{tag}/{_stage(entry)}/model" for tag, entry in entries.items()}
    models = teachers | {tag: f"data/teachers/{tag}/{OUTSIDE}" for tag in names["outside"]}
    models = {tag: models[tag] for tag in names["teacher"]}
    init = params["student"].get("init") or f"data/init/{params['student']['arch']}"
    students = {}
    for method in params["student"]["methods"]:
        loss = loss_of(params, method)
        targets = "data/pack/dev/rows.parquet"
        if needs_of(loss, root).of_teachers and _learns_unlabelled(params, method):
            targets = "data/unlabelled"
        elif needs_of(loss, root).of_teachers or is_guided(params, method):
            targets = "data/softlabels"
        start = _start_of(params, method)
        for seed in params["student"]["seeds"]:
            begin = init if start is None else f"data/students/{start}-{seed}/model"
            students[f"{method}-{seed}"] = {
                "method": method,
                "loss": loss,
                "seed": seed,
                "init": begin,
                "targets": targets,
            }
    without = (params.get("cross_dataset") or {}).get("method", "ce")
    keys = [*names["student"], *([ADAPTED] if names["session"] else [])]
    trained = {key: f"data/students/{key}/model" for key in keys}
    return {
        "clean": clean_keys(
            list(dict.fromkeys([*names["source"], *names["unlabelled"]])), params, root
        ),
        "init": names["arch"],
        "teacher_a": {
            tag: {"init": f"data/init/{entry['arch']}", **_own(tag, entry, "a")}
            for tag, entry in entries.items()
        },
        "teacher_b": {
            tag: {"a": f"data/teachers/{tag}/a/model", **_own(tag, entry, "b")}
            for tag, entry in entries.items()
            if _stage(entry) == "b"
        },
        "teacher_fold": _fold_keys(params),
        "logits_dev": {
            tag: {"model": model} | ({"stage": _stage(entries[tag])} if folds_of(params) else {})
            for tag, model in teachers.items()
        },
        "logits_test": {tag: {"model": model} for tag, model in teachers.items()},
        "logits_outside": {
            tag: {"file": entry.get("onnx") or entry.get("logits")}
            for tag, entry in params["teachers"].items()
            if tag in names["outside"]
        },
        "student": students,
        "crossval": {
            key: {"init": init, "loss": loss_of(params, key.rpartition("-")[0])}
            for key in names["crossval"]
        },
        "cross_dataset": {
            key: {
                "left_out": name,
                "method": without,
                "loss": loss_of(params, without),
                "seed": seed,
                "init": init,
            }
            for key, (name, seed) in trainings_of(params).items()
        },
        "predict": keys,
        "evaluate": {key: {"model": model} for key, model in (models | trained).items()},
        "calibrate": [*models, *keys],
        "onnx_teacher": {tag: {"model": teachers[tag]} for tag in _exported(params)},
    }


def trained_teachers(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Entries of the teachers that are trained here."""
    return {tag: entry for tag, entry in params["teachers"].items() if not is_outside(entry)}


def outside_files(params: dict[str, Any]) -> list[str]:
    """Networks and tables of the teachers from elsewhere."""
    return [
        str(entry.get("onnx") or entry.get("logits"))
        for entry in params["teachers"].values()
        if is_outside(entry)
    ]


def folds_of(params: Mapping[str, Any]) -> int:
    """Folds that the train rows are dealt into for the teachers; 0 for none."""
    return int(params.get("teacher", {}).get("folds", 0))


def loss_of(params: dict[str, Any], method: str) -> str:
    """File of `training/losses/` that a method uses: that of its own name, unless its section names
    another.
    """
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
                "A student goes on from one that is not trained.",
                where=where,
                found=name,
                expected=params["student"]["methods"],
            )
        if name in seen[:-1]:
            raise ParamsError(
                "Students go on from each other in a ring.", where=where, found=" → ".join(seen)
            )
    return before(method)


def needs_of(loss: str, root: Path) -> Needs:
    """What the class of a loss says in its attribute `needs`; its file is read, not imported.

    Raises:
        ParamsError: there is no such file, or it does not say it.
    """
    path = root / "fer_core" / "training" / "losses" / f"{loss}.py"
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.py") if file.stem != "__init__")
        raise ParamsError(
            "Unknown method.",
            where=f"{PARAMS_FILE}: student.methods",
            found=loss,
            expected=", ".join(known),
        )
    line = re.compile(r"^    needs: ClassVar = Needs\.(\w+)$", re.MULTILINE)
    found = line.search(path.read_text(encoding="utf-8"))
    if found is None:
        raise ParamsError(
            "This loss does not say what it needs beside labels.",
            where=path,
            expected="a class with the line `needs: ClassVar = Needs.FUSED`, or another of Needs",
        )
    return Needs[found[1]]


def _learns_unlabelled(params: dict[str, Any], method: str) -> bool:
    """Whether `student.unlabelled` asks for it, of a method that learns from teachers."""
    free = params["student"].get("unlabelled")
    return free is not None and method in (free.get("methods") or [method])


def is_guided(params: dict[str, Any], method: str) -> bool:
    """Whether a further term of a method asks a teacher, as `Loss.guided` says."""
    negl = (params["student"].get(method) or {}).get("negl") or {}
    return negl.get("negatives") in ("teacher", "confusion")


def _stage(entry: dict[str, Any]) -> str:
    """Stage of a teacher whose model goes on to logits."""
    return str(entry.get("stage", "a"))


def _exported(params: dict[str, Any]) -> list[str]:
    """Tags of the teachers that are exported too."""
    tags = list(params.get("deploy", {}).get("teachers", []))
    if unknown := [tag for tag in tags if tag not in trained_teachers(params)]:
        known = ", ".join(trained_teachers(params))
        raise ParamsError(
            "There is no such teacher to export.",
            where=f"{PARAMS_FILE}: deploy.teachers",
            found=unknown,
            expected=known,
        )
    return tags


def _fold_keys(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """One training for each teacher and fold; two for a teacher of stage b, which goes on from its
    fold's stage a.
    """
    keys: dict[str, dict[str, Any]] = {}
    for tag, entry in trained_teachers(params).items():
        for fold in range(folds_of(params)):
            item = {
                "teacher": tag,
                "stage": "a",
                "fold": fold,
                "start": f"data/init/{entry['arch']}",
                **_own(tag, entry, "a"),
            }
            keys[f"{tag}-a-{fold}"] = item
            if _stage(entry) == "b":
                start = f"data/teachers/{tag}/folds/a/{fold}/model"
                own = _own(tag, entry, "b")
                keys[f"{tag}-b-{fold}"] = item | {"stage": "b", "start": start} | own
    return keys


def _own(tag: str, entry: dict[str, Any], stage: str) -> dict[str, str]:
    """What a training reads of its teacher's entry: the options of that stage where it has some
    (the architecture is in the name of what it starts from), so that no other teacher's matter;
    and its image size, if that is among them (see `unseen`).
    """
    own = f"teachers.{tag}.{stage if stage in entry else 'arch'}"
    unseen = unseen_in({"teachers": {tag: entry}}, own)
    return {"own": own, "own_size": unseen[0] if unseen else own}
