"""`fer run` before and after the stages: what is checked, when it is checked again, and the exit
status.
"""

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_cli.main import app
from fer_core.base.errors import FerError, ParamsError
from fer_core.base.settings import Settings
from fer_core.pipeline.checkout import traps, workspace
from fer_core.pipeline.running import plan, ready, scheduler
from fer_core.pipeline.running.plan import Plan
from fer_core.workers import executor
from tests.shipped import ROOT, lay_sample


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in step whose stages are never run: the plan is empty unless a test fills it."""
    lay_sample(tmp_path)
    for name in ("stages", "fer_core", "data/sources"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_DEVICE", "cpu")
    monkeypatch.setattr(workspace, "open_workspace", lambda wait: nullcontext())
    monkeypatch.setattr(traps, "_CODE", tmp_path)
    monkeypatch.setattr(plan, "make_plan", lambda *_: Plan({}, {}, {}))
    return tmp_path


def fer(*arguments: str) -> int:
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, Exception):
        raise result.exception
    return result.exit_code


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_faulty_option_of_a_method_is_found_before_the_first_stage(project: Path) -> None:
    edit(project / "params.yaml", "temperature: 2.0", "temprature: 2.0")
    with pytest.raises(ParamsError, match=r"student\.kd\.temprature"):
        fer("run")


def test_a_network_that_refuses_its_size_is_found_before_the_first_stage(project: Path) -> None:
    edit(project / "params.yaml", "{arch: test_resnet}", "{arch: test_vit}")
    with pytest.raises(ParamsError, match=r"teachers\.tiny_resnet\.arch[\s\S]*40 px"):
        fer("run")


def test_params_are_checked_again_only_after_a_change(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(ready, "check_params", lambda params, path: looked.append(1))
    for name in ("check_methods", "check_networks"):
        monkeypatch.setattr(ready, name, lambda params, path: None)
    assert fer("run") == fer("run") == 0
    assert len(looked) == 1
    edit(project / "params.yaml", "bootstrap: 400", "bootstrap: 401")
    fer("run")
    assert len(looked) == 2


def test_what_was_found_faulty_is_checked_again(project: Path) -> None:
    edit(project / "params.yaml", "compare_set: test_all_sources", "compare_set: nope")
    for _ in range(2):
        with pytest.raises(ParamsError, match="nope"):
            fer("run")


def test_a_descriptor_that_went_missing_is_told_whether_params_changed_or_not(
    project: Path,
) -> None:
    assert fer("run") == 0
    (project / "data/sources/sample_expw.json").unlink()
    for command in (["run"], ["dag", "sync"]):
        with pytest.raises(ParamsError, match="fer data add sample_expw PATH"):
            fer(*command)


@pytest.mark.parametrize(
    ("options", "on", "address"),
    [
        ([], "local", ""),
        (["--on", "slurm", "--partition", "gpu"], "slurm", "gpu"),
        (["--on", "ray", "--address", "head:6379"], "ray", "head:6379"),
    ],
)
def test_where_stages_run_is_an_option_and_else_a_setting(
    project: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], on: str, address: str
) -> None:
    opened: list[Settings] = []
    given: list[object] = []
    monkeypatch.setattr(executor, "open_workers", lambda _, settings: opened.append(settings) or 7)
    monkeypatch.setattr(scheduler, "run_plan", lambda *told: given.append(told[5]) or 0)
    for how in ("option", "setting"):
        if how == "setting":
            text = f'on = "{on}"\naddress = "{address}"\n'
            (project / "fer.local.toml").write_text(text)
        assert fer("run", *(options if how == "option" else [])) == 0
    assert given == [None if on == "local" else 7] * 2
    assert [(one.on, one.address) for one in opened] == [(on, address)] * (2 * (on != "local"))
    with pytest.raises(ParamsError, match="setting on does not fit"):
        fer("run", "--on", "the moon")


@pytest.mark.parametrize("status", [0, 1, 130])
def test_the_status_is_that_of_the_first_stage_that_failed(
    project: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(scheduler, "run_plan", lambda *_: status)
    assert fer("run") == status


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (255, 1), (130, 130), (-15, 143)])
def test_options_of_dvc_repro_reach_it_in_their_order(
    project: Path, monkeypatch: pytest.MonkeyPatch, status: int, expected: int
) -> None:
    """`dvc repro` says 255 whatever the status of its stage."""
    started: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **_: object) -> None:
            started.append(command[1:])

        send_signal = wait = lambda self, *_: status

    monkeypatch.setattr("subprocess.Popen", Process)
    assert fer("run", "--force", "--dry", "--single-item", "student@ce-1") == expected
    options = ["--force", "--dry", "--single-item", "student@ce-1"]
    assert started == [["--wait-for-lock", "repro", *options]]


@pytest.mark.parametrize("command", [["run"], ["dag", "sync"]])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "missing"),
        ("stages: [", "not valid YAML"),
        ("", "no stages"),
        ("stages: 3\n", "no stages"),
        ("stages:\n  pack: 3\n", r"stages\.pack\.cmd"),
        ("stages:\n  pack:\n    deps: [a]\n", r"stages\.pack\.cmd"),
        ("stages:\n  pack:\n    cmd: python -m stages.pack\n", r"stages\.pack\.deps"),
        (
            "stages:\n  pack:\n    cmd: python -m stages.pack\n    deps: [{a: b}]\n",
            r"stages\.pack\.deps",
        ),
        (
            "stages:\n  student:\n    do:\n      cmd: python -m stages.student\n      deps: [a]\n",
            r"stages\.student\.params",
        ),
        ("\0", "not valid YAML"),
    ],
)
def test_a_missing_or_malformed_pipeline_is_an_error_with_a_remedy(
    project: Path, command: list[str], text: str | None, told: str
) -> None:
    if text is None:
        (project / "dvc.yaml").unlink()
    else:
        (project / "dvc.yaml").write_text(text)
    with pytest.raises(ParamsError, match=rf"{told}[\s\S]*git checkout -- dvc\.yaml"):
        fer(*command)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("tiny_resnet: {arch: test_resnet}", "tiny_resnet: test_resnet", "teachers.tiny_resnet"),
        (
            "  tiny_resnet: {arch: test_resnet}\n  tiny_effnet: {arch: test_efficientnet}\n  tiny_resnet9: {arch: "
            "resnet9_w8}",
            "  [test_resnet]",
            "teachers",
        ),
        ("  kd:\n", "  kd: 3\n  unused:\n", "student.kd"),
        ("  head:\n", "  folds: two\n  head:\n", "teacher.folds"),
    ],
)
def test_params_that_no_pipeline_follows_from_leave_dvc_yaml_as_it_is(
    project: Path, old: str, new: str, told: str
) -> None:
    before = (project / "dvc.yaml").read_text()
    edit(project / "params.yaml", old, new)
    with pytest.raises(ParamsError, match=told.replace(".", r"\.")):
        fer("dag", "sync")
    assert (project / "dvc.yaml").read_text() == before


def test_what_dvc_refuses_is_an_error_of_ours(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(project)
    monkeypatch.setattr(traps, "_CODE", project)
    shutil.rmtree(project / ".dvc")
    with pytest.raises(FerError, match=r"DVC cannot read[\s\S]*remedy"):
        fer("run")
