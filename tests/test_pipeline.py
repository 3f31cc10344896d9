"""The whole pipeline under DVC, on two data sets of coloured noise: what runs, what does not run
again, and what a clone can pull.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fer_core.base.files import sha256_file
from fer_core.base.labels import CLASSES
from fer_core.base.params import read_params
from tests.shipped import ROOT, lay_sample, write_params
from tests.tiny import ARCH, SIDE

BIN = Path(sys.executable).parent

pytestmark = pytest.mark.slow


def write_faces(root: Path, split: str, count: int, seed: int, confusion: float = 0.15) -> None:
    """`folder7` tree: the mean colour tells the class, except for a share of wrong labels, so that
    no network gets all right.
    """
    random = np.random.default_rng(seed)
    colours = np.random.default_rng(7).integers(30, 226, (7, 3))
    for number in range(count):
        label = number % 7
        seen = int(random.integers(7)) if random.random() < confusion else label
        pixels = colours[seen] + random.normal(0, 45, (SIDE, SIDE, 3))
        file = root / split / CLASSES[label] / f"{seed}_{number:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), np.clip(pixels, 0, 255).astype(np.uint8))


def change_params(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    params = read_params(path)
    change(params)
    write_params(path, params)


def make_small(params: dict[str, Any]) -> None:
    """From the profile for a data set of one's own to one that trains in seconds."""
    train = {"epochs": 5, "batch": 28, "lr": 0.01}
    params["cpu_threads"] = 1  # a stage that runs alone ends with the bits of one among others
    params["manifest"].update(sources=["custom", "second"], val_fraction=0.15, calib_fraction=0.15)
    params["sets"] = {"everything": {}}
    params["validate"]["min_per_class"]["train"] = 10
    params["preprocessing"]["size"] = SIDE
    params["views"]["count"] = 2
    params["teacher"]["train"].update(train)
    params["teacher"]["head"]["embed_dim"] = 16
    params["teacher"]["arcface"].update(warmup_epochs=1, ramp_end=3)
    params["teachers"] = {"a": {"arch": ARCH}, "b": {"arch": "test_efficientnet"}}
    params["student"].update(arch=ARCH, methods=["ce", "kd"], seeds=[1])
    params["student"].pop("dkd")
    params["student"]["train"].update(train)
    params["evaluation"].update(bootstrap=100, compare_set="everything")
    params["deploy"].update(student="kd-1", precisions=["fp32", "fp16"])
    params["trust"]["robustness"]["rows"] = 28
    params["latency"].update(rounds=1, calls=5, batches=[1], threads=[1])


class Project:
    """A clone of this project with data sets of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: str, check: bool = True) -> str:
        """Output of a command; stdout and stderr joined."""
        environment = os.environ | {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root),
            "FER_DEVICE": "cpu",
        }
        environment |= {
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@t",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@t",
        }
        for name in ("FER_RAW", "FER_RUNS", "DVC_ROOT"):
            environment.pop(name, None)
        done = subprocess.run(
            command,
            cwd=self.root,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def fer(self, *arguments: str, check: bool = True) -> str:
        return self.run(
            sys.executable, "-c", "from fer_cli.main import main; main()", *arguments, check=check
        )

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "state")

    def rerun(self, *stages: str) -> set[str]:
        """Stages that `fer run` really ran."""
        return ran(self.fer("run", *stages))


def ran(text: str) -> set[str]:
    """Stages that DVC says it ran."""
    return set(re.findall(r"^Running stage '([^']+)'", text, flags=re.M))


def lay_project(root: Path) -> Project:
    """A folder with the code, absent data sets, small params and two raw folders."""
    for name in ("stages", "fer_core", "fer_cli", "profiles"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "web", root / "web", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copytree(ROOT / "models", root / "models")
    lay_sample(root)
    for name in (".gitignore", ".dvcignore", "live.yaml"):
        shutil.copy(ROOT / name, root)
    (root / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        source = ROOT / ".dvc" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / ".dvc" / name)
    (root / "data" / "sources").mkdir(parents=True)
    for path in (ROOT / "data" / "sources").glob("*.json"):
        descriptor = json.loads(path.read_text())
        if path.stem.startswith("sample_"):
            descriptor.pop("sample", None)
        (root / "data" / "sources" / path.name).write_text(
            json.dumps(descriptor | {"present": False})
        )
    shutil.copy(ROOT / "profiles" / "custom_scratch.yaml", root / "params.yaml")
    change_params(root / "params.yaml", make_small)
    for name, seed, train, test in (("faces", 1, 280, 42), ("others", 3, 140, 28)):
        write_faces(root / "raw" / name, "train", train, seed)
        write_faces(root / "raw" / name, "test", test, seed + 1)
    made = Project(root)
    made.run("git", "init", "-q", "-b", "main")
    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = lay_project(tmp_path_factory.mktemp("project"))
    made.fer("data", "add", "custom", "raw/faces")
    made.fer("data", "add", "second", "raw/others")
    made.fer("dag", "sync")
    made.fer("run")
    made.commit()
    return made


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_run_ends_with_a_model_a_report_and_metrics(project: Project) -> None:
    for name in (
        "data/onnx/student.fp32.onnx",
        "data/onnx/student.fp16.onnx",
        "data/report/index.html",
        "metrics/latencybenchmarks.csv",
    ):
        assert (project.root / name).stat().st_size > 1000 or name.endswith(".csv")
    summary = json.loads((project.root / "metrics" / "summary.json").read_text())
    assert (
        summary["data"]["rows_of_set"] == {"everything": 70} and summary["data"]["rows_test"] == 70
    )
    accuracy = json.loads((project.root / "data/evaluation/kd-1/metrics.json").read_text())["sets"][
        "everything"
    ]
    assert accuracy["rows_expected"] == accuracy["rows_used"] == 70
    assert accuracy["metrics"]["accuracy"]["value"] > 0.4, (
        "colour is all there is to learn, and it was not learnt"
    )


def test_the_results_page_says_what_the_metrics_files_say(project: Project, tmp_path: Path) -> None:
    project.fer(
        "results",
        "--out",
        str(tmp_path / "page.md"),
        "--distillation",
        str(tmp_path / "methods.md"),
        "--title",
        "Of noise",
    )
    page, methods = ((tmp_path / name).read_text() for name in ("page.md", "methods.md"))
    assert "kd less ce" in methods and "those of every run" in methods
    assert page.startswith("# Of noise\n")
    environment = json.loads((project.root / "data/students/kd-1/log/environment.json").read_text())
    commit = project.run("git", "log", "-1", "--format=%H", "--", "stages").strip()
    assert all(
        word in page
        for word in (environment["packages"]["torch"], environment["processor"], commit)
    ), page
    reached = json.loads((project.root / "data/evaluation/kd-1/metrics.json").read_text())["sets"][
        "everything"
    ]["metrics"]
    assert f"| kd-1 | student | {reached['accuracy']['value']:.3f} |" in page


def test_no_absolute_path_and_no_host_is_in_any_small_out(project: Project) -> None:
    for path in [
        *(project.root / "data").rglob("*.json"),
        *(project.root / "metrics").glob("*"),
        project.root / "dvc.lock",
    ]:
        assert str(project.root) not in path.read_text(), path


def test_second_run_does_nothing(project: Project) -> None:
    assert "up to date" in project.fer("run")
    assert ran(project.run("dvc", "repro")) == set(), "nor does one of DVC's own"


def test_an_out_that_was_deleted_or_changed_is_brought_back_as_it_was(project: Project) -> None:
    deleted, changed = (
        project.root / name
        for name in ("data/calibration/kd-1", "data/students/ce-1/model/model.safetensors")
    )
    before = {path: sha256_file(path) for path in (*deleted.iterdir(), changed)}
    shutil.rmtree(deleted)
    changed.unlink()  # it may be a link into DVC's cache
    changed.write_bytes(b"no weights")
    project.fer("run")
    assert {path: sha256_file(path) for path in before} == before
    assert project.rerun() == set()


def test_another_clone_pulls_everything_and_runs_nothing(project: Project, tmp_path: Path) -> None:
    project.run("dvc", "remote", "add", "-f", "--local", "-d", "store", str(tmp_path / "remote"))
    project.run("dvc", "push", "-q", "--run-cache")
    project.run("git", "clone", "-q", str(project.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.run("dvc", "remote", "add", "--local", "-d", "store", str(tmp_path / "remote"))
    clone.run("dvc", "pull", "-q")
    assert clone.rerun() == set()
    for name in ("data/students/kd-1/model/model.safetensors", "data/report/index.html"):
        assert sha256_file(clone.root / name) == sha256_file(project.root / name)


TRUST = {"ambiguity", "fairness", "robustness", "selective"}


def test_an_experiment_runs_one_student_and_what_follows_it_and_leaves_the_workspace(
    project: Project,
) -> None:
    model = project.root / "data/students/kd-1/model/model.safetensors"
    before = sha256_file(model)
    text = project.run(
        "dvc",
        "exp",
        "run",
        "--temp",
        "--name",
        "hotter",
        "-S",
        "student.kd.temperature=3.0",
        "calibrate@kd-1",
    )
    assert ran(text) == {"student@kd-1", "predict@kd-1", "evaluate@kd-1", "calibrate@kd-1"}
    assert "hotter" in project.run("dvc", "exp", "list")
    record = "data/students/kd-1/record/val.json"
    found = json.loads(project.run("dvc", "metrics", "diff", "--json", "HEAD", "hotter"))
    changes = found.get("diff", found)  # DVC puts errors of other metrics beside it
    assert changes[record]["nll"]["diff"]  # scores that did not change are not listed
    assert (
        "temperature: 2.0" in (project.root / "params.yaml").read_text()
        and sha256_file(model) == before
    )
    assert project.run("git", "status", "--short") == ""


def test_kd_temperature_reruns_one_student_and_what_follows_it(project: Project) -> None:
    edit(project.root / "params.yaml", "temperature: 2.0", "temperature: 4.0")
    after = {
        "student@kd-1",
        "predict@kd-1",
        "evaluate@kd-1",
        "calibrate@kd-1",
        *TRUST,
        "hard_cases",
        "compare",
        "onnx",
        "latency",
        "web",
        "report",
    }
    assert project.rerun() == after


def test_interrupted_run_of_dvc_goes_on_and_ends_with_the_same_weights(project: Project) -> None:
    model = project.root / "data/students/ce-1/model/model.safetensors"
    before = sha256_file(model)
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project.root),
        "FER_DEVICE": "cpu",
    }
    command = [
        sys.executable,
        "-c",
        "from fer_cli.main import main; main()",
        "run",
        "--force",
        "--single-item",
        "student@ce-1",
    ]
    process = subprocess.Popen(
        command,
        cwd=project.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch 2/" in line:
            process.send_signal(signal.SIGINT)
            break
    rest = process.stdout.read()
    assert process.wait(timeout=60) != 0
    assert "goes on from there" in rest
    assert not model.exists()
    time.sleep(0.1)
    # without --force it would be restored from the run cache
    text = project.fer("run", "--force", "student@ce-1")
    assert "resumed after epoch" in text
    assert sha256_file(model) == before


def test_only_the_source_that_changed_is_cleaned_again(project: Project) -> None:
    write_faces(project.root / "raw" / "others", "test", 7, seed=5)
    project.fer("data", "refresh", "second")
    assert project.rerun("clean") == {"clean@second"}


def test_a_new_source_with_test_rows_only_trains_nothing_again(project: Project) -> None:
    """So do test rows more of a source that is listed already, such as those of the test before
    this one.
    """
    write_faces(project.root / "raw" / "third", "test", 35, seed=6)
    project.fer("data", "add", "third", "raw/third")
    change_params(
        project.root / "params.yaml",
        lambda params: params["manifest"].update(sources=["custom", "second", "third"]),
    )
    project.fer("dag", "sync")
    found = project.rerun("leaderboard", "compare")
    assert {
        "clean@third",
        "manifest",
        "validate",
        "pack",
        "logits_test@a",
        "predict@kd-1",
        "evaluate@kd-1",
        "compare",
    } <= found
    assert not {
        stage
        for stage in found
        if stage.startswith(("init", "teacher", "logits_dev", "ensemble", "softlabels", "student"))
    }
    assert {stage for stage in found if stage.startswith("clean")} == {"clean@third"}
    sets = json.loads((project.root / "data/evaluation/kd-1/metrics.json").read_text())["sets"]
    assert sets["everything"]["rows_used"] == 112


def test_faces_without_labels_teach_the_students_that_learn_from_teachers(
    project: Project, tmp_path: Path
) -> None:
    frames = project.root / "raw" / "frames"
    frames.mkdir()
    write_faces(tmp_path, "x", 70, seed=8)
    for number, file in enumerate(sorted(tmp_path.glob("x/*/*.png"))):
        shutil.copy(file, frames / f"new_{number}.png")
    for number, file in enumerate(sorted((project.root / "raw/faces/test").glob("*/*.png"))[:7]):
        shutil.copy(file, frames / f"of_test_{number}.png")
    project.fer("data", "add", "frames", "raw/frames")

    def ask(section: dict[str, Any] | None, *stages: str) -> set[str]:
        change_params(
            project.root / "params.yaml",
            lambda params: (
                params["student"].update(unlabelled=section)
                if section
                else params["student"].pop("unlabelled")
            ),
        )
        project.fer("dag", "sync")
        return project.rerun(*stages)

    after = {"student@kd-1", "predict@kd-1", "evaluate@kd-1"}
    found = ask({"sources": ["frames"]}, "student", "evaluate@kd-1")
    assert found == {"clean@frames", "unlabelled", *after}
    report = json.loads((project.root / "data/unlabelled/report.json").read_text())
    assert report["faces"] == {"kept": 70, "not_sure": 0, "twin_in_held_out": 7}
    assert sum(report["answers"].values()) == 70
    rows = {
        key: json.loads((project.root / f"data/students/{key}/model/model.json").read_text())[
            "budget"
        ]["train_rows"]
        for key in ("ce-1", "kd-1")
    }
    assert rows["kd-1"] == rows["ce-1"] + 70
    surer = {"sources": ["frames"], "min_confidence": 0.6}
    assert ask(surer, "unlabelled") == {"unlabelled"}
    fewer = json.loads((project.root / "data/unlabelled/report.json").read_text())["faces"]
    assert 0 < fewer["kept"] < 70 and fewer["kept"] + fewer["not_sure"] == 70
    assert ask(None, "student") == set(), "what was made before is cached"


def test_a_leak_stops_the_pipeline_before_anything_is_trained(project: Project) -> None:
    """The gate's verdict is a file that `pack` depends on: without it nothing moves."""
    edit(project.root / "params.yaml", "train: 10", "train: 1000")
    text = project.fer("run", check=False)
    assert "do not pass the gate" in text
    assert "Running stage 'pack'" not in text
    assert not (project.root / "data" / "validation.json").exists()
    edit(project.root / "params.yaml", "train: 1000", "train: 10")


def test_an_unknown_key_in_params_is_named_before_anything_runs(project: Project) -> None:
    edit(project.root / "params.yaml", "near_duplicate_bits", "near_duplicate_bitz")
    text = project.fer("run", check=False)
    assert "manifest.near_duplicate_bitz" in text
    assert "Running stage" not in text
    edit(project.root / "params.yaml", "near_duplicate_bitz", "near_duplicate_bits")
