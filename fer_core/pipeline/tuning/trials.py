"""Trials of a tuning file: what is tried, under which name, which is best, and what that makes of
params.yaml.

A trial's name is the hash of everything that can change its val score: its settings on top of
params.yaml, without the sections that only concern what comes after (test sets, deployment, timing)
and without the other methods, and the descriptors of the data sets. So a trial counts as long as
these hold, on whatever commit it was run, and no longer.
"""

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from fer_core.base.errors import ParamsError
from fer_core.base.files import sha256_file
from fer_core.base.params import Section, parse_section
from fer_core.base.reading import read_yaml

__all__ = [
    "SCORES",
    "Score",
    "Trial",
    "Tuning",
    "applied",
    "best_trials",
    "flow",
    "read_trials",
    "with_settings",
]

Score = Literal["macro_f1", "accuracy", "nll"]
SCORES: tuple[Score, ...] = ("macro_f1", "accuracy", "nll")
_SOURCES = Path("data/sources")
_WITHOUT_INFLUENCE = (
    "validate",
    "evaluation",
    "hard_cases",
    "trust",
    "crossval",
    "cross_dataset",
    "adapt",
    "deploy",
    "latency",
)
_OF_STUDENTS = ("arch", "init", "preprocessing", "set", "train", "unlabelled")
_PLAIN = re.compile(r"(?!(?:null|true|false|nan|inf)$)[A-Za-z_][\w./-]*", re.IGNORECASE)


class Tuning(Section):
    """A tuning file.

    Attributes:
        seed: of every trial; one of `student.seeds`.
        by: val score that decides: the highest macro_f1 or accuracy, or the lowest nll.
        trials: method -> grids; a grid maps names within the section `student.<method>` ("lr",
            "negl.weight") to the values to combine, which may be mappings and null. All grids of a
            method name the same settings, so that no trial depends on what another one left in
            params.yaml.
    """

    seed: int
    by: Score
    trials: Annotated[
        dict[str, list[dict[str, Annotated[list[Any], Field(min_length=1)]]]], Field(min_length=1)
    ]


@dataclass(frozen=True)
class Trial:
    """One student to be trained: method, seed and what differs from params.yaml.

    Attributes:
        method, seed: of the student.
        settings: dotted names within the method's section, and their values.
        name: of the experiment; equal trials have equal names.
    """

    method: str
    seed: int
    settings: tuple[tuple[str, Any], ...] = field(hash=False)
    name: str

    @property
    def key(self) -> str:
        """The student's key in the pipeline."""
        return f"{self.method}-{self.seed}"

    @property
    def words(self) -> str:
        """Settings for a person."""
        return ", ".join(f"{name} {flow(value)}" for name, value in self.settings)


def read_trials(file: Path, params: Mapping[str, Any]) -> tuple[Tuning, list[Trial]]:
    """The trials of a tuning file.

    A file of one method is a grid that ranks nobody; `compare` refuses a pair of which `ce` had
    fewer trials.

    Raises:
        ParamsError: not readable, an unknown method or seed, grids of a method that name different
            settings, a trial given twice, or among several methods fewer trials of ce than of
            another.
    """
    if not file.exists():
        raise ParamsError("There is no such tuning file.", where=file)
    values = read_yaml(file, "tuning file")
    tuning = parse_section("tuning", values, Tuning, file)
    student = params["student"]
    if tuning.seed not in student["seeds"]:
        raise ParamsError(
            "The seed of the trials is none of the students'.",
            where=f"{file}: seed",
            expected=student["seeds"],
        )
    trials = []
    for method, grids in tuning.trials.items():
        if method not in student["methods"]:
            raise ParamsError(
                "The pipeline has no student of this method.",
                where=f"{file}: trials.{method}",
                expected=student["methods"],
                remedy="`fer profile use` the profile that the file is for, or add the method to "
                "student.methods",
            )
        if len(names := {tuple(sorted(grid)) for grid in grids}) > 1:
            raise ParamsError(
                "Grids of one method name different settings.",
                where=f"{file}: trials.{method}",
                found=" and ".join(", ".join(one) for one in sorted(names)),
                expected="the same settings in each, also those that a grid keeps at one value",
            )
        for grid in grids:
            for chosen in product(*grid.values()):
                settings = tuple(zip(grid, chosen, strict=True))
                trials.append(
                    Trial(
                        method, tuning.seed, settings, _name(method, tuning.seed, settings, params)
                    )
                )
    counts = {method: sum(trial.method == method for trial in trials) for method in tuning.trials}
    if len({trial.name for trial in trials}) != len(trials):
        raise ParamsError("A trial is given twice.", where=file)
    if len(counts) > 1 and counts.get("ce", 0) < max(counts.values()):
        raise ParamsError(
            "Plain cross-entropy must get at least as many trials as any other method, where "
            "several are tuned.",
            where=f"{file}: trials",
            found=counts,
        )
    return tuning, trials


def best_trials(scores: Mapping[Trial, Mapping[str, float]], by: Score) -> dict[str, Trial]:
    """The best trial of each method; of equals the first."""
    sign = -1 if by == "nll" else 1
    best: dict[str, Trial] = {}
    for trial, values in scores.items():
        if trial.method not in best or sign * values[by] > sign * scores[best[trial.method]][by]:
            best[trial.method] = trial
    return best


def with_settings(
    section: Mapping[str, Any], settings: Sequence[tuple[str, Any]]
) -> dict[str, Any]:
    """A method's section with settings: a dotted name means an entry of a mapping, and a mapping is
    merged into the one that is there.
    """
    changed = dict(section)
    for name, value in settings:
        first, _, rest = name.partition(".")
        inner = changed[first] if isinstance(changed.get(first), Mapping) else {}
        if rest:
            changed[first] = with_settings(inner, [(rest, value)])
        else:
            changed[first] = (
                with_settings(inner, list(value.items())) if isinstance(value, Mapping) else value
            )
    return changed


def applied(text: str, best: Mapping[str, Trial], counts: Mapping[str, int]) -> str:
    """The text of params.yaml with the settings of these trials and, in `student.trials`, how many
    each method had; all else is kept.
    """
    round_trip = YAML(typ="rt")  # keeps comments; builds plain values only
    round_trip.width = 4096
    round_trip.indent(mapping=2, sequence=4, offset=2)
    document = round_trip.load(text)
    student = document["student"]
    for method, trial in best.items():
        tuned = with_settings(student[method], trial.settings)
        student[method].update(
            {
                name: tuned[name]
                for name in dict.fromkeys(name.partition(".")[0] for name, _ in trial.settings)
            }
        )
    if counts:
        if "trials" not in student:
            student["trials"] = CommentedMap()
            student["trials"].fa.set_flow_style()
        student["trials"].update(counts)
    stream = io.StringIO()
    round_trip.dump(document, stream)
    return stream.getvalue()


def flow(value: Any) -> str:
    """A value on one line, as YAML and the overrides of `dvc exp run -S` both read it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


def _name(
    method: str, seed: int, settings: Sequence[tuple[str, Any]], params: Mapping[str, Any]
) -> str:
    """The name of a trial's experiment (see the module)."""
    student = params["student"]
    sections = {method: with_settings(student.get(method) or {}, settings)}
    start = sections[method].get("start")
    while start is not None and start not in sections:
        sections[start] = student.get(start) or {}
        start = sections[start].get("start")
    others = {
        name: values
        for name, values in params.items()
        if name not in ("student", "sets", *_WITHOUT_INFLUENCE)
    }
    named = {params.get(section, {}).get("set") for section in ("teacher", "teacher_b", "student")}
    free = (student.get("unlabelled") or {}).get("sources", [])
    files = {
        name: _SOURCES / f"{name}.json"
        for name in (*params.get("manifest", {}).get("sources", []), *free)
    }
    decisive = {
        "method": method,
        "seed": seed,
        "sections": sections,
        "student": {name: student[name] for name in _OF_STUDENTS if name in student},
        "sets": {name: values for name, values in params.get("sets", {}).items() if name in named},
        "params": others,
        "sources": {name: sha256_file(path) for name, path in files.items() if path.is_file()},
    }
    text = json.dumps(decisive, sort_keys=True)
    return f"tune-{method}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
