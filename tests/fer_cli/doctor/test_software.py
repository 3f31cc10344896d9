"""Fabricated installations, and what is said about them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_cli.doctor import software as doctor_software
from fer_cli.doctor.finding import Finding, Level
from fer_cli.doctor.software import (
    check_device,
    check_dvc,
    check_git,
    check_onnxruntime,
    check_opencv,
    check_yaml,
)
from fer_core.base.settings import Settings


def settings(device: str = "auto") -> Settings:
    return Settings(device=device, raw=Path("raw"), runs=Path("runs"), threads=0)


def levels(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.level.value, finding.what) for finding in findings]


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
