"""`fer tune`: trials are checked, run as DVC experiments, ranked by val scores and written back."""

import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from fer_cli.tune.command import app
from fer_core.base.errors import ArtifactError, BusyError, ParamsError
from fer_core.base.params import read_params
from fer_core.pipeline.schema.sections import models_of
from fer_core.pipeline.tuning import trial_runs
from fer_core.pipeline.tuning.trials import (
    Trial,
    applied,
    best_trials,
    flow,
    read_trials,
    with_settings,
)
from tests.shipped import ROOT

SAMPLE = read_params(ROOT / "profiles/sample.yaml")
PARAMS = """\
# kept
student:
  methods: [ce, kd]
  seeds: [7, 8]
  train: {epochs: 2}
  ce: {label_smoothing: 0.0}
  kd:
    temperature: 2.0  # kept too
    alpha: 0.5
"""
TUNING = """\
seed: 7
by: nll
trials:
  ce:
    - {lr: [0.1, 0.2], negl: [{weight: 0.1, negatives: uniform}], start: [null]}
  kd:
    - {temperature: [1.0, 4.0], alpha: [0.9]}
"""
DVC = """\
stages:
  evaluate:
    foreach:
      ce-7: {method: ce}
      kd-7: {method: kd}
    do:
      cmd: python evaluate.py ${key} ${item.method}
      deps: [evaluate.py]
      params: ["student.${item.method}"]
      outs: ["data/evaluation/${key}"]
"""
EVALUATE = """\
import json, os, pathlib, sys
import yaml
key, method = sys.argv[1:]
section = yaml.safe_load(open("params.yaml"))["student"][method]
size = section.get("lr", section.get("temperature"))
if size == 4 and os.environ.get("FAIL"):
    sys.exit("the disk is full")
assert method == "kd" or section["negl"] == {"weight": 0.1, "negatives": "uniform"} and section["start"] is None, section
values = {"nll": abs(size - 0.2) if method == "ce" else 5 - size, "macro_f1": 0.5, "accuracy": 0.25}
folder = pathlib.Path("data/evaluation") / key
folder.mkdir(parents=True)
(folder / "metrics.json").write_text(json.dumps({"sets": {"val": {"metrics": {k: {"value": v} for k, v in values.items()}}}}))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name, text in {
        "params.yaml": PARAMS,
        "tuning.yaml": TUNING,
        "dvc.yaml": DVC,
        "evaluate.py": EVALUATE,
    }.items():
        Path(name).write_text(text)
    return tmp_path


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def commit_all() -> None:
    """Put the working folder under git and DVC, all but results."""
    run("git", "init", "-q")
    run("dvc", "init", "-q")
    Path(".gitignore").write_text("data/\n")
    run("git", "add", "-A")
    run("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "start")


def fer(*arguments: str) -> str:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False).output


def test_trials_are_every_combination(project: Path) -> None:
    tuning, trials = read_trials(Path("tuning.yaml"), read_params())
    assert (tuning.seed, tuning.by) == (7, "nll")
    assert [(trial.key, trial.words) for trial in trials] == [
        ("ce-7", "lr 0.1, negl {weight: 0.1, negatives: uniform}, start null"),
        ("ce-7", "lr 0.2, negl {weight: 0.1, negatives: uniform}, start null"),
        ("kd-7", "temperature 1.0, alpha 0.9"),
        ("kd-7", "temperature 4.0, alpha 0.9"),
    ]
    assert len({trial.name for trial in trials}) == 4


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lr: [0.1, 0.2]", "lr: [0.1]", "at least as many trials"),
        ("  ce:", "  dkd:", "no student of this method"),
        ("seed: 7", "seed: 9", "none of the students'"),
        ("[0.1, 0.2]", "[0.1, 0.1]", "given twice"),
        ("by: nll", "by: luck", "by: Input should be"),
        ("[0.1, 0.2]", "[]", "at least 1 item"),
        ("start: [null]}", "start: [null]}\n    - {label_smoothing: [0.1]}", "different settings"),
    ],
)
def test_unfair_or_impossible_trials_are_refused(
    project: Path, old: str, new: str, words: str
) -> None:
    Path("tuning.yaml").write_text(TUNING.replace(old, new))
    with pytest.raises(ParamsError, match=words):
        read_trials(Path("tuning.yaml"), read_params())


def test_a_grid_of_one_method_ranks_nobody_and_needs_no_trials_of_ce(project: Path) -> None:
    head, _, grid = TUNING.partition("  ce:\n")
    Path("tuning.yaml").write_text(head + grid[grid.index("  kd:") :])
    _, trials = read_trials(Path("tuning.yaml"), read_params())
    assert [trial.method for trial in trials] == ["kd", "kd"]


def changed(params: dict[str, Any], name: str) -> str:
    """The name of a trial once a section holds something else."""
    params = deepcopy(params)
    *outer, last = name.split(".")
    section = params
    for key in outer:
        section = section.setdefault(key, {})
    section[last] = "another" if last == "set" else {"anything": 1}
    return read_trials(Path("tuning.yaml"), params)[1][-1].name


def test_a_trial_counts_until_something_changes_that_its_score_depends_on(project: Path) -> None:
    """Every section that a parameter file may have is in one of the two lists below."""
    after = {"validate", "hard_cases", "trust", "evaluation", "deploy", "latency"}
    after |= {"crossval", "cross_dataset", "adapt", "student.mirror", "student.trials"}
    own = {"seed", "cpu_threads", "clean", "manifest", "labels", "pack", "preprocessing", "views"}
    own |= {"init", "teacher", "teacher_b", "teachers", "ensemble", "targets", "student.arch"}
    own |= {"student.init", "student.preprocessing", "student.set", "student.train"}
    own |= {"student.unlabelled"}
    known = {name.partition(".")[0] if name[:6] == "trust." else name for name in models_of(SAMPLE)}
    known = {name for name in known if name.rpartition(".")[2] not in SAMPLE["student"]["methods"]}
    known |= {"student.set"}  # checked with the named sets
    assert known - {"sets", "student.methods", "student.seeds"} == after | own

    params = read_params()
    name = read_trials(Path("tuning.yaml"), params)[1][-1].name
    assert {section for section in after if changed(params, section) != name} == set()
    assert {section for section in own if changed(params, section) == name} == set()


def test_a_trial_counts_until_the_faces_without_labels_change(project: Path) -> None:
    params = read_params()
    params["student"]["unlabelled"] = {"sources": ["free"]}
    Path("data/sources").mkdir(parents=True)
    names = []
    for text in ("one", "other"):
        Path("data/sources/free.json").write_text(text)
        names.append(read_trials(Path("tuning.yaml"), params)[1][-1].name)
    assert names[0] != names[1]


def test_missing_file_is_named(project: Path) -> None:
    with pytest.raises(ParamsError, match=r"no such tuning file(.|\n)*nowhere.yaml"):
        read_trials(Path("nowhere.yaml"), read_params())


def test_a_tuning_file_that_is_no_yaml_is_named(project: Path) -> None:
    Path("tuning.yaml").write_text("trials: [ce\n")
    with pytest.raises(ParamsError, match=r"tuning file is not valid YAML(.|\n)*tuning.yaml"):
        read_trials(Path("tuning.yaml"), read_params())


def test_best_is_the_lowest_nll_or_the_highest_f1() -> None:
    a, b, other = (
        Trial("ce", 7, (("lr", 1),), "a"),
        Trial("ce", 7, (("lr", 2),), "b"),
        Trial("kd", 7, (("alpha", 1),), "c"),
    )
    scores = {
        a: {"nll": 1.0, "macro_f1": 0.4},
        b: {"nll": 1.1, "macro_f1": 0.6},
        other: {"nll": 9.0, "macro_f1": 0.1},
    }
    assert best_trials(scores, "nll") == {"ce": a, "kd": other}
    assert best_trials(scores, "macro_f1") == {"ce": b, "kd": other}


def test_settings_are_written_and_all_else_is_kept() -> None:
    text = applied(
        PARAMS,
        {"kd": Trial("kd", 7, (("temperature", 4.0), ("lr", 0.01)), "a")},
        {"ce": 3, "kd": 2},
    )
    tuned = PARAMS.replace("temperature: 2.0 ", "temperature: 4.0 ").replace(
        "    alpha: 0.5\n", "    alpha: 0.5\n    lr: 0.01\n"
    )
    assert text == tuned + "  trials: {ce: 3, kd: 2}\n"
    assert applied(text, {}, {"kd": 5}) == tuned + "  trials: {ce: 3, kd: 5}\n"


def test_mappings_nulls_and_dotted_names_are_settings_too(project: Path) -> None:
    grid = (
        "{negl: [{weight: 0.1}, null], proto.weight: [0.2], start: [null], gate: [teacher_right]}"
    )
    Path("tuning.yaml").write_text(f"seed: 7\nby: nll\ntrials:\n  ce:\n    - {grid}\n")
    _, (trial, without) = read_trials(Path("tuning.yaml"), read_params())
    assert trial.words == "negl {weight: 0.1}, proto.weight 0.2, start null, gate teacher_right"
    changed = with_settings({"lr": 1, "negl": {"ratio": 0.5}, "proto": None}, trial.settings)
    negl, proto = {"ratio": 0.5, "weight": 0.1}, {"weight": 0.2}
    assert changed == {
        "lr": 1,
        "negl": negl,
        "proto": proto,
        "start": None,
        "gate": "teacher_right",
    }
    assert with_settings({"negl": {"ratio": 0.5}}, without.settings)["negl"] is None
    assert len({trial, without}) == 2
    text = applied(PARAMS, {"ce": trial}, {"ce": 2})
    Path("params.yaml").write_text(text)
    assert read_params()["student"]["ce"]["negl"] == {
        "weight": 0.1
    } and "start: null" in text.replace("start:\n", "start: null\n")
    assert (flow("a b"), flow("null"), flow(True), flow([1, "x"])) == (
        "'a b'",
        "'null'",
        "true",
        "[1, x]",
    )


def test_a_trial_is_another_one_once_anything_changes_that_its_score_depends_on(
    project: Path,
) -> None:
    def names(**changes: object) -> list[str]:
        params = {
            "teacher": {"train": {"epochs": 3}},
            "latency": {"rounds": 1},
            "sets": {"all": {}},
            "seed": 1,
            **read_params(),
        } | changes
        return [trial.name for trial in read_trials(Path("tuning.yaml"), params)[1]]

    student = read_params()["student"]
    before = names()
    for irrelevant in (
        {"latency": {"rounds": 2}},
        {"sets": {"all": {}, "further": {}}},
        {
            "student": student
            | {"seeds": [7, 8, 9], "trials": {"ce": 1}, "methods": ["ce", "kd", "dkd"], "dkd": {}}
        },
    ):
        assert names(**irrelevant) == before, irrelevant
    assert names(student=student | {"ce": {"label_smoothing": 0.0, "lr": 0.7}}) == before, (
        "what the trial sets itself"
    )
    assert not set(names(teacher={"train": {"epochs": 4}})) & set(before)
    assert not set(names(student=student | {"train": {"epochs": 3}})) & set(before)
    of_ce = names(student=student | {"ce": {"label_smoothing": 0.1}})
    assert not set(of_ce[:2]) & set(before[:2]) and of_ce[2:] == before[2:]
    chained = names(student=student | {"kd": student["kd"] | {"start": "ce"}})
    assert chained[:2] == before[:2] and not set(chained[2:]) & set(before)
    Path("data/sources").mkdir(parents=True)
    Path("data/sources/faces.json").write_text("{}")
    with_source = names(manifest={"sources": ["faces"]})
    Path("data/sources/faces.json").write_text('{"files": 1}')
    assert not set(names(manifest={"sources": ["faces"]})) & set(with_source)


RUNNER = """\
import os, subprocess, sys
assert sys.argv[1:-1] == ["run", "--on", "ray", "--address", "head:6379"], sys.argv
assert os.environ["FER_RUNS"].startswith(os.environ["DVC_ROOT"] + "/runs/trials/")
sys.exit(subprocess.run([os.path.dirname(sys.executable) + "/dvc", "repro", sys.argv[-1]]).returncode)
"""


def test_trials_run_elsewhere_as_experiments_of_the_same_names(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are not committed yet count; a trial that fails stops no other one."""
    Path("evaluate.py").write_text("an earlier version")
    commit_all()
    Path("evaluate.py").write_text(EVALUATE)
    Path("runner.py").write_text(RUNNER)
    monkeypatch.setattr(trial_runs, "_FER", [sys.executable, str(project / "runner.py")])
    monkeypatch.setenv("FAIL", "1")
    there = ("queue", "tuning.yaml", "--on", "ray", "--address", "head:6379", "--jobs", "2")
    done = CliRunner().invoke(app, list(there), catch_exceptions=False)
    assert done.exit_code not in (0, None) and done.output.count(" ended: ") == 3, done.output
    (log,) = Path(".dvc/tmp/trials").glob("*.log")
    assert f"{log} says why" in done.output and "the disk is full" in log.read_text()
    assert fer("show", "tuning.yaml").count("not finished") == 1
    monkeypatch.delenv("FAIL")
    assert "1 of 4 trials run" in fer(*there)
    assert "0 of 4 trials queued" in fer("queue", "tuning.yaml")
    shown = fer("show", "tuning.yaml")
    assert "not finished" not in shown
    assert [line.split()[1:3] for line in shown.splitlines() if line.startswith("*")] == [
        ["ce-7", "lr"],
        ["kd-7", "temperature"],
    ]
    assert not list(Path(".dvc/tmp/trials").iterdir())
    listed = subprocess.run(["git", "worktree", "list"], capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1


def test_one_command_at_a_time_runs_trials_in_a_checkout(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C its trials still end their epochs, in folders of the same names."""
    commit_all()
    monkeypatch.setattr(trial_runs, "_FER", [sys.executable, "-c", "raise SystemExit(0)"])
    with FileLock(".dvc/tmp/trials.lock"), pytest.raises(BusyError, match="has ended"):
        fer("queue", "tuning.yaml", "--on", "local")
    assert not Path(".dvc/tmp/trials").exists()


def test_an_address_without_a_place_to_run_on_is_refused(project: Path) -> None:
    done = CliRunner().invoke(app, ["queue", "tuning.yaml", "--address", "head:6379"])
    assert done.exit_code == 2 and "needs --on" in done.output


def test_value_out_of_range_is_refused_before_anything_is_queued(project: Path) -> None:
    Path("tuning.yaml").write_text(TUNING.replace("[0.9]", "[1.9]"))
    with pytest.raises(ParamsError, match=r"student\.kd\.alpha"):
        fer("queue", "tuning.yaml")


def test_trials_run_as_experiments_and_the_best_come_back(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last trial fails at first and is queued again."""
    commit_all()
    assert "4 of 4 trials queued" in fer("queue", "tuning.yaml")
    assert "0 of 4 trials queued" in fer("queue", "tuning.yaml")
    assert fer("show", "tuning.yaml").count("not finished") == 4
    with pytest.raises(ArtifactError, match=r"Not all trials are finished(.|\n)*ce-7 with lr 0.1"):
        fer("apply", "tuning.yaml")
    monkeypatch.setenv("FAIL", "1")
    subprocess.run(["dvc", "exp", "run", "--run-all"], check=False, capture_output=True)
    assert fer("show", "tuning.yaml").count("not finished") == 1
    assert "1 of 4 trials queued" in fer("queue", "tuning.yaml")
    monkeypatch.delenv("FAIL")
    run("dvc", "exp", "run", "--run-all")
    shown = fer("show", "tuning.yaml", "--out", "tuning.csv")
    assert [
        line[2:].split("macro")[0].split() for line in shown.splitlines() if line.startswith("*")
    ] == [
        [
            "ce-7",
            "lr",
            "0.2,",
            "negl",
            "{weight:",
            "0.1,",
            "negatives:",
            "uniform},",
            "start",
            "null",
        ],
        ["kd-7", "temperature", "4.0,", "alpha", "0.9"],
    ]
    assert (
        Path("tuning.csv").read_text().splitlines()[2]
        == 'ce,7,"lr 0.2, negl {weight: 0.1, negatives: uniform}, start null",0.5,0.25,0,1'
    )
    assert "0 of 4 trials queued" in fer("queue", "tuning.yaml")
    fer("apply", "tuning.yaml")
    student = read_params()["student"]
    assert student["ce"] == {
        "label_smoothing": 0.0,
        "lr": 0.2,
        "negl": {"weight": 0.1, "negatives": "uniform"},
        "start": None,
    }
    assert student["kd"] == {"temperature": 4.0, "alpha": 0.9}
    assert student["trials"] == {"ce": 2, "kd": 2}
    run("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qam", "tuned")
    assert "not finished" not in fer("show", "tuning.yaml"), "trials of an earlier commit count"
    Path("params.yaml").write_text(
        Path("params.yaml").read_text().replace("epochs: 2", "epochs: 3")
    )
    assert fer("show", "tuning.yaml").count("not finished") == 4, "trials of other params do not"
