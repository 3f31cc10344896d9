"""The whole command on a small project: status, one line a finding, and no crash whatever is
broken.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fer_cli.doctor import finding as doctor_finding
from fer_cli.doctor import project as doctor_project
from fer_cli.doctor import software as doctor_software
from fer_cli.doctor.command import doctor
from fer_core.base.params import read_params
from fer_core.pipeline.checkout import traps
from fer_core.pipeline.dag.dag import synced
from fer_core.sources.catalogue.descriptor import Descriptor, write_descriptor

ROOT = Path(__file__).parents[3]
ANSWER = {
    "torch": "2",
    "torchvision": "0",
    "timm": "1",
    "cuda": None,
    "devices": [],
    "version": "1",
    "providers": ["CPUExecutionProvider"],
    "formats": [".png", ".jpg", ".bmp", ".webp"],
    "fault": None,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which all is well, and libraries that answer at once."""
    shutil.copy(ROOT / "profiles" / "sample.yaml", tmp_path / "params.yaml")
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("stages", "fer_core"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    params = read_params(ROOT / "profiles" / "sample.yaml")
    for name in params["manifest"]["sources"]:
        write_descriptor(
            tmp_path / "data/sources", Descriptor(name, "expw", True, sample={"seed": 1})
        )
    (tmp_path / "dvc.yaml").write_text(synced((ROOT / "dvc.yaml").read_text(), params, tmp_path))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text('[cache]\n    type = "reflink,hardlink,symlink,copy"\n')
    monkeypatch.chdir(tmp_path)
    for name in ("FER_RAW", "FER_DEVICE", "FER_THREADS", "FER_WEIGHTS", "FER_RUNS", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(traps, "_CODE", tmp_path)
    for module in (doctor_software, doctor_project):
        monkeypatch.setattr(module, "probe", lambda code: ANSWER)
    return tmp_path


def examined() -> tuple[int, list[str]]:
    app = typer.Typer()
    app.command()(doctor)
    result = CliRunner().invoke(app, [])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output.splitlines()


def lines_of(lines: list[str], what: str) -> list[str]:
    return [line for line in lines if line[6:].startswith(what)]


def test_sound_project_ends_with_status_0_and_every_check_speaks(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_software, "check_git", lambda: iter(()))  # the copy is no checkout
    status, lines = examined()
    assert status == 0, "\n".join(lines)
    assert lines[-1].endswith("0 FAIL")
    subjects = {line[6:23].strip() for line in lines[:-1]}
    assert subjects >= {
        "Python",
        "packages",
        "torch",
        "device",
        "ONNX Runtime",
        "OpenCV",
        "YAML",
        "DVC",
        "DVC cache",
    }
    assert subjects >= {
        "disk: project",
        "disk: DVC cache",
        "disk: runs",
        "disk: raw data",
        "memory",
        "CPU threads",
    }
    assert subjects >= {"settings", "data sets", "params.yaml", "dvc.yaml"}


def test_any_failure_ends_with_status_1_and_the_other_checks_still_run(project: Path) -> None:
    (project / "params.yaml").write_text(
        (project / "params.yaml").read_text().replace("seed: 1337", "seed: 1337\nsede: 1", 1)
    )
    (project / "requirements.lock").write_text("numpy==0.0.1 \\\n    --hash=sha256:0\n")
    status, lines = examined()
    assert status == 1
    assert lines_of(lines, "params.yaml")[0].startswith(
        "FAIL  params.yaml       Unknown section; in params.yaml: sede"
    )
    assert lines_of(lines, "packages")[0].startswith("warn  packages          numpy ")
    assert lines_of(lines, "disk: project") and lines_of(lines, "YAML")
    count = int(lines[-1].split(" FAIL")[0].split(", ")[-1])
    assert count == sum(line.startswith("FAIL") for line in lines)


def test_faulty_settings_are_one_failure_and_what_needs_them_is_named(project: Path) -> None:
    (project / "fer.local.toml").write_text("colour = 1\n")
    status, lines = examined()
    assert status == 1
    assert (
        len(lines_of(lines, "settings")) == 1
        and "fer.local.toml: colour" in lines_of(lines, "settings")[0]
    )
    assert not lines_of(lines, "disk") and "not checked" in lines_of(lines, "machine")[0]


def test_outside_a_project_everything_is_told_and_nothing_crashes(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    status, lines = examined()
    assert status == 1
    for what in ("Python", "packages", "DVC", "params.yaml"):
        assert lines_of(lines, what)[0].startswith("FAIL"), what
    assert not list((tmp_path / "empty").iterdir())


def test_the_fer_command_starts_without_heavy_libraries() -> None:
    heavy = ("pandas", "torch", "pyarrow", "timm", "dvc")
    code = f"import sys, json, fer_cli.main; print(json.dumps({{'loaded': [name for name in {heavy!r} if name in sys.modules]}}))"
    assert doctor_finding.probe(code) == {"loaded": []}


def test_where_opencv_cannot_be_loaded_doctor_still_tells_what_to_do(project: Path) -> None:
    """In a process of its own, with all that the command loads; OpenCV fails as where a system
    library is missing.
    """
    (project / "blocked").mkdir()
    (project / "blocked/cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file')"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(project / "blocked"), str(ROOT)])
    }
    command = [sys.executable, "-c", "from fer_cli.main import main; main()"]

    def said(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [*command, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    status, text = said("doctor")
    assert status == 1 and "Traceback" not in text
    (line,) = lines_of(text.splitlines(), "OpenCV")
    assert line.startswith("FAIL") and "libGL.so.1" in line and "opencv-python-headless" in line
    assert lines_of(text.splitlines(), "disk: project") and lines_of(text.splitlines(), "settings")
    status, text = said("manifest", "stats")
    assert status == 1 and "Traceback" not in text and "libGL.so.1" in text and "fer doctor" in text
