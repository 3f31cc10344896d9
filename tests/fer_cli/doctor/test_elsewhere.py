"""What `fer doctor` says about Ray, Slurm and the store."""

from pathlib import Path

import pytest

from fer_cli.doctor import elsewhere
from fer_cli.doctor.elsewhere import check_workers
from fer_cli.doctor.finding import Finding, Level
from fer_core.base.settings import Settings


def look(tmp_path: Path, **values: object) -> list[Finding]:
    config = (
        "['remote \"far\"']\n    url = ssh://u@h/p\n['remote \"near\"']\n    url = /mnt/store\n"
    )
    (tmp_path / "config").write_text(config)
    return list(check_workers(Settings(**values), tmp_path))  # type: ignore[arg-type]


def test_what_is_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "installed_version", lambda name: "2.60.0")
    (found,) = look(tmp_path)
    assert found.level == Level.OK and "Ray 2.60.0" in found.text and "local" in found.text


@pytest.mark.parametrize(("on", "remedy"), [("ray", "requirements-ray.lock"), ("slurm", "login")])
def test_an_engine_that_is_not_here_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on: str, remedy: str
) -> None:
    monkeypatch.setattr(elsewhere, "installed_version", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = look(tmp_path, on=on)
    assert found.level == Level.FAIL and remedy in found.remedy


@pytest.mark.parametrize(
    ("store", "level", "told"),
    [
        ("none", Level.FAIL, "no remote none"),
        ("far", Level.FAIL, "dvc-ssh is not installed"),
        ("near", Level.OK, "the remote near"),
    ],
)
def test_a_store_that_cannot_be_reached_by_its_kind_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, level: Level, told: str
) -> None:
    monkeypatch.setattr(elsewhere, "installed_version", lambda name: None)
    found = look(tmp_path, store=store)[-1]
    assert found.level == level and told in found.text
