"""Fabricated installations against the lock and pyproject.toml."""

from pathlib import Path

import pytest
from packaging.version import Version

from fer_cli.doctor import packages
from fer_cli.doctor.finding import Level, guarded
from fer_cli.doctor.packages import check_packages, check_python

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
    pins = list(packages._requirements((root / "requirements.lock").read_text().splitlines()))
    assert len(pins) > 100 and {"torch", "dvc"} <= {pin.name for pin in pins}
    assert all(Version(next(iter(pin.specifier)).version) for pin in pins)


def test_python_that_is_too_old_fails(files: tuple[Path, Path]) -> None:
    (finding,) = check_python(files[1], "3.10.14")
    assert finding.level == Level.FAIL and "3.10.14" in finding.text and ">=3.11" in finding.text
    (finding,) = check_python(files[1], "3.13.0rc1")
    assert finding.level != Level.FAIL
