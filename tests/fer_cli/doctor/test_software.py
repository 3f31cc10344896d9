"""Fabricated installations, and what is said about them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from fer_cli.doctor import software as doctor_software
from fer_cli.doctor.finding import Finding, Level, guarded
from fer_cli.doctor.software import (
    check_device,
    check_dvc,
    check_git,
    check_onnxruntime,
    check_opencv,
    check_packages,
    check_python,
    check_yaml,
)
from fer_core.base.settings import Settings

LOCK = """\
numpy==2.4.6 ; python_full_version < '3.99' \\
    --hash=sha256:00 \\
    --hash=sha256:01
numpy==3.0.0 ; python_full_version >= '3.99' \\
    --hash=sha256:02
ruamel-yaml==0.19.1 \\
    --hash=sha256:03
torch==2.15.0 \\
    --hash=sha256:04
# a comment
pywin32==312 ; sys_platform == 'nowhere' \\
    --hash=sha256:05
"""
PYPROJECT = """
[project]
requires-python = ">=3.11"
dependencies = ["numpy>=2.2", "ruamel.yaml>=0.18", "torch>=2.11,<3", "onnxruntime>=1; sys_platform == 'nowhere'"]
"""
GOOD = {"numpy": "2.4.6", "ruamel.yaml": "0.19.1", "ruamel-yaml": "0.19.1", "torch": "2.15.0+cu132"}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "requirements.lock").write_text(LOCK)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return tmp_path / "requirements.lock", tmp_path / "pyproject.toml"


def settings(device: str = "auto") -> Settings:
    return Settings(device=device, raw=Path("raw"), runs=Path("runs"), threads=0)


def levels(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.level.value, finding.what) for finding in findings]


def test_installed_as_pinned_is_fine_local_builds_and_other_platforms_included(
    files: tuple[Path, Path],
) -> None:
    (finding,) = check_packages(*files, GOOD.get)
    assert str(finding) == "ok    packages          3 packages as requirements.lock pins them"


def test_version_beside_the_pin_is_told_and_one_out_of_bounds_fails(
    files: tuple[Path, Path],
) -> None:
    (finding,) = check_packages(*files, (GOOD | {"numpy": "2.5.0"}).get)
    assert (finding.level, finding.text) == (Level.WARN, "numpy 2.5.0, pinned 2.4.6")
    fail, warn = check_packages(*files, (GOOD | {"numpy": "2.5.0", "torch": "2.9.1"}).get)
    assert (fail.level, fail.text) == (
        Level.FAIL,
        "torch 2.9.1, needed <3,>=2.11",
    ) and "make setup" in fail.remedy
    assert (warn.level, warn.text) == (Level.WARN, "numpy 2.5.0, pinned 2.4.6")


def test_missing_dependency_fails_and_is_not_told_twice(files: tuple[Path, Path]) -> None:
    (finding,) = check_packages(*files, {**GOOD, "ruamel.yaml": None, "ruamel-yaml": None}.get)
    assert (finding.level, finding.text) == (Level.FAIL, "ruamel.yaml is missing, needed >=0.18")


def test_long_lists_are_cut(files: tuple[Path, Path]) -> None:
    files[0].write_text("".join(f"package{n}==1 \\\n" for n in range(20)))
    (finding,) = check_packages(*files, lambda name: GOOD.get(name, "2"))
    assert finding.text.endswith("package7 2, pinned 1; and 12 more")


def test_damaged_lock_is_named(files: tuple[Path, Path]) -> None:
    files[0].write_text("numpy=2.4\n")
    (finding,) = guarded("packages", lambda: check_packages(*files, GOOD.get))
    assert finding.level == Level.FAIL and "numpy=2.4" in finding.text
    (finding,) = guarded(
        "packages", lambda: check_packages(files[0].with_name("gone"), files[1], GOOD.get)
    )
    assert finding.level == Level.FAIL and "gone" in finding.text


def test_the_projects_own_lock_can_be_read() -> None:
    root = Path(__file__).parents[3]
    pins = list(
        doctor_software._requirements((root / "requirements.lock").read_text().splitlines())
    )
    assert len(pins) > 100 and {"torch", "dvc"} <= {pin.name for pin in pins}
    assert all(Version(next(iter(pin.specifier)).version) for pin in pins)


def test_python_that_is_too_old_fails(files: tuple[Path, Path]) -> None:
    (finding,) = check_python(files[1], "3.10.14")
    assert finding.level == Level.FAIL and "3.10.14" in finding.text and ">=3.11" in finding.text
    (finding,) = check_python(files[1], "3.13.0rc1")
    assert finding.level != Level.FAIL


TORCH = {
    "torch": "2.15.0",
    "torchvision": "0.29.2",
    "timm": "1.0.31",
    "cuda": "13.2",
    "devices": [],
}


@pytest.mark.parametrize(
    ("device", "devices", "driver", "level", "words"),
    [
        ("auto", [], False, "ok", "CPU only"),
        ("auto", ["H100"], True, "ok", "H100"),
        ("cuda:1", ["A", "B"], True, "ok", "A, B"),
        ("auto", [], True, "warn", "NVIDIA driver"),
        ("cpu", [], True, "ok", "CPU only"),
        ("cuda", [], False, "FAIL", "no CUDA device"),
        ("cuda:2", ["A", "B"], True, "FAIL", "cuda:0, cuda:1"),
        ("gpu", [], False, "FAIL", "auto, cpu, cuda"),
    ],
)
def test_device_of_the_settings_must_be_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    devices: list[str],
    driver: bool,
    level: str,
    words: str,
) -> None:
    monkeypatch.setattr(doctor_software, "probe", lambda code: TORCH | {"devices": devices})
    (tmp_path / "version").write_text("")
    first, second = check_device(settings(device), tmp_path / ("version" if driver else "nothing"))
    assert (
        str(first)
        == "ok    torch             torch 2.15.0 (built for CUDA 13.2), torchvision 0.29.2, timm "
        "1.0.31"
    )
    assert second.level.value == level and words in str(second)


@pytest.mark.parametrize(
    ("module", "check"),
    [
        ("torch", lambda: check_device(settings())),
        ("onnxruntime", check_onnxruntime),
        ("cv2", check_opencv),
    ],
)
def test_library_that_cannot_be_loaded_fails_without_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, check: object
) -> None:
    (tmp_path / f"{module}.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    (finding,) = check()  # type: ignore[operator]
    assert finding.level == Level.FAIL and "libGL.so.1" in finding.text
    assert ("opencv-python-headless" if module == "cv2" else "make setup") in finding.remedy


def test_onnxruntime_and_opencv_of_this_installation_are_fine() -> None:
    assert levels(check_onnxruntime()) == [("ok", "ONNX Runtime")]
    assert levels(check_opencv({"opencv-python": "4"}.get)) == [("ok", "OpenCV")]


def test_two_packages_of_onnxruntime_are_told() -> None:
    (finding,) = check_onnxruntime({"onnxruntime": "1", "onnxruntime-gpu": "1"}.get)
    assert finding.level == Level.WARN and "onnxruntime and onnxruntime-gpu" in finding.text


def test_onnxruntime_without_a_cpu_provider_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor_software,
        "probe",
        lambda code: {"version": "1", "providers": ["AzureExecutionProvider"]},
    )
    assert levels(check_onnxruntime()) == [("FAIL", "ONNX Runtime")]


def test_opencv_that_lacks_a_format_fails_and_two_of_them_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        doctor_software,
        "probe",
        lambda code: {"version": "4", "formats": [".png", ".jpg", ".bmp", ".webp"]},
    )
    (finding,) = check_opencv({"opencv-python": "4", "opencv-python-headless": "4"}.get)
    assert (
        finding.level == Level.WARN and "opencv-python and opencv-python-headless" in finding.text
    )
    monkeypatch.setattr(
        doctor_software, "probe", lambda code: {"version": "4", "formats": [".png", ".jpg", ".bmp"]}
    )
    (finding,) = check_opencv({}.get)
    assert finding.level == Level.FAIL and ".webp" in finding.text


def test_yaml_without_its_c_parser_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import ruamel.yaml

    assert levels(check_yaml()) == [("ok" if ruamel.yaml.__with_libyaml__ else "warn", "YAML")]
    monkeypatch.setattr(ruamel.yaml, "__with_libyaml__", False)
    assert levels(check_yaml()) == [("warn", "YAML")]


def test_dvc_must_lie_beside_this_python_and_the_project_be_its(tmp_path: Path) -> None:
    (finding,) = check_dvc(tmp_path, tmp_path)
    assert finding.level == Level.FAIL and "no dvc beside" in finding.text
    (tmp_path / "dvc").write_text("")
    (tmp_path / "dvc").chmod(0o755)
    (finding,) = check_dvc(tmp_path, tmp_path)
    assert finding.level == Level.FAIL and "no .dvc" in finding.text
    (tmp_path / ".dvc").mkdir()
    (finding,) = check_dvc(tmp_path, tmp_path)
    assert finding.level == Level.OK


def test_git_must_be_there_and_know_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (finding,) = check_git(tmp_path)
    assert finding.level == Level.FAIL and "not a git repository" in finding.text
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = check_git(tmp_path)
    assert finding.level == Level.FAIL and "no git" in finding.text
