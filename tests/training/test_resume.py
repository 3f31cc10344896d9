"""A run that is interrupted and started again must end with the weights of one that was not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer_core.base.files import sha256_file
from fer_core.models.initial.initial import make_initial
from fer_core.models.initial.options import InitOptions
from tests import forked
from tests.tiny import ARCH, SIDE, dev_splits, write_half, write_tiny_project

ROOT = Path(__file__).parents[2]
EPOCHS = 6


EVERYTHING = {
    "ema": 0.8,
    "mixup": 0.4,
    "accumulation": 2,
    "batch_norm_group": 7,
    "grad_clip": 1.0,
    "balance": "batches",
    "optimizer": "sgd",
    "schedule": "one_cycle",
    "eval_every": 2,
    "keep_checkpoints": 2,
    "checkpoint_every": 2,
}


def make_project(root: Path, **train: object) -> Path:
    root.mkdir(exist_ok=True)
    write_tiny_project(root, epochs=EPOCHS, **train)
    make_initial(
        root / "data" / "init" / ARCH,
        ARCH,
        SIDE,
        1,
        InitOptions(pretrained="none", sha256={}, min_matched=0.6),
        None,
    )
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Hash of the weights, and the history, of whole runs."""
    root = make_project(tmp_path_factory.mktemp("whole"))
    for name in ("student", "teacher_a"):
        run = stage(root, name, *arguments(name))
        assert run.status == 0, run.text
    return {name: result(root, name) for name in ("student", "teacher_a")}


def environment(root: Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "FER_RUNS": str(root / "runs"),
        "FER_THREADS": "1",
        "FER_DEVICE": "cpu",
        "DVC_ROOT": str(root),
    }


def stage(root: Path, name: str, *arguments: str) -> forked.Finished:
    return forked.run(root, module(name), list(arguments), environment(root))


def plain(root: Path, name: str, *arguments: str) -> forked.Finished:
    """As `dvc repro` starts a stage, in a process that has loaded nothing."""
    command = [sys.executable, "-m", f"stages.{module(name)}", *arguments]
    done = subprocess.run(
        command, cwd=root, env=environment(root), stderr=subprocess.PIPE, text=True, check=False
    )
    return forked.Finished(done.returncode, done.stderr)


def module(name: str) -> str:
    return name.removesuffix("_a")


def arguments(name: str) -> list[str]:
    init = f"data/init/{ARCH}"
    return (
        ["a", "tiny", init]
        if name == "teacher_a"
        else ["ce-1", "ce", "1", init, "data/pack/dev/rows.parquet"]
    )


def out(root: Path, name: str) -> Path:
    return root / ("data/teachers/tiny/a" if name == "teacher_a" else "data/students/ce-1")


def result(root: Path, name: str) -> tuple[str, str]:
    folder = out(root, name)
    return sha256_file(folder / "model" / "model.safetensors"), (
        folder / "record" / "history.csv"
    ).read_text()


def interrupt(root: Path, name: str, number: signal.Signals) -> int:
    """Start a stage, send the signal once two epochs are saved, and return its exit status."""
    process = forked.start(root, module(name), arguments(name), environment(root))
    return forked.send_after(process, "epoch 2/", number).status


@pytest.mark.parametrize(
    ("name", "number"),
    [("student", signal.SIGINT), ("student", signal.SIGKILL), ("teacher_a", signal.SIGTERM)],
)
def test_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    project: Path, uninterrupted: dict[str, tuple[str, str]], name: str, number: signal.Signals
) -> None:
    status = interrupt(project, name, number)
    assert status == (-9 if number == signal.SIGKILL else 128 + number)
    assert not (out(project, name) / "model").exists()
    again = (stage, plain)[number == signal.SIGKILL](project, name, *arguments(name))
    assert again.status == 0, again.text
    assert "resumed after epoch" in again.text, "whoever starts it"
    assert f"epoch {EPOCHS}/{EPOCHS}" in again.text
    assert "epoch 1/" not in again.text
    assert result(project, name) == uninterrupted[name]
    assert not list((project / "runs").rglob("state.pt"))


def test_averaged_weights_mixup_and_micro_batches_resume_as_well(tmp_path: Path) -> None:
    name = "teacher_a"
    whole, halves = (make_project(tmp_path / part, **EVERYTHING) for part in ("whole", "halves"))
    run = stage(whole, name, *arguments(name))
    assert run.status == 0, run.text
    interrupt(halves, name, signal.SIGKILL)
    again = stage(halves, name, *arguments(name))
    assert again.status == 0, again.text
    assert "resumed after epoch" in again.text
    assert result(halves, name) == result(whole, name)
    timing = (out(halves, name) / "log/timing.csv").read_text().splitlines()
    assert len(timing) == 1 + EPOCHS, "epochs before the interruption keep their times"


def test_changed_params_do_not_resume_the_old_run(project: Path) -> None:
    interrupt(project, "student", signal.SIGINT)
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("lr: 0.01", "lr: 0.02"))
    again = stage(project, "student", *arguments("student"))
    assert again.status == 0, again.text
    assert "resumed" not in again.text
    assert f"epoch 1/{EPOCHS}" in again.text


def test_changed_training_image_does_not_resume_the_old_run(project: Path) -> None:
    interrupt(project, "student", signal.SIGINT)
    write_half(project / "data" / "pack" / "dev", dev_splits(train=91), seed=1)
    again = stage(project, "student", *arguments("student"))
    assert again.status == 0, again.text
    assert "resumed" not in again.text


def test_damaged_state_is_an_error_that_names_the_file(project: Path) -> None:
    interrupt(project, "student", signal.SIGKILL)
    (state,) = (project / "runs").rglob("state.pt")
    state.write_bytes(state.read_bytes()[:1000])
    again = stage(project, "student", *arguments("student"))
    assert again.status == 1
    assert "state.pt" in again.text
    assert "delete" in again.text
    assert not (project / "data/students/ce-1/model").exists()


def test_second_run_of_the_same_key_waits_for_the_first(project: Path) -> None:
    runs = []
    for _ in range(2):
        runs.append(forked.start(project, "student", arguments("student"), environment(project)))
        time.sleep(0.2)
    ended = [forked.finish(run) for run in runs]
    assert [one.status for one in ended] == [0, 0], ended
    assert sum("waiting for it" in one.text for one in ended) == 1
