"""Real machines that a run must not start on, each made in a temporary folder."""

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from fer_core.base.errors import MachineError, ParamsError
from fer_core.base.params import read_params
from fer_core.pipeline.checkout import traps as module
from fer_core.pipeline.checkout.traps import Trap, check_traps, traps
from fer_core.pipeline.schema.check import check_params
from tests.shipped import SAMPLE


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "checkout"
    (root / "fer_core").mkdir(parents=True)
    (root / ".dvc/cache").mkdir(parents=True)
    (root / ".dvc/cache").chmod(0o755)
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n")
    programs(root / ".venv", root / ".venv")
    monkeypatch.setattr(module, "_CODE", root)
    return root


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def programs(environment: Path, made_for: Path) -> None:
    (environment / "bin").mkdir(parents=True)
    text = f"#!{made_for}/bin/python\n# -*- coding: utf-8 -*-\n"
    (environment / "bin/fer").write_text(text)


def found(root: Path) -> list[Trap]:
    return list(traps(root, root / ".venv"))


def test_a_sound_checkout_has_none(checkout: Path) -> None:
    assert found(checkout) == []


def test_a_copied_environment_is_told_with_the_way_to_a_new_one(
    checkout: Path, tmp_path: Path
) -> None:
    shutil.rmtree(checkout / ".venv")
    programs(checkout / ".venv", tmp_path / "before/.venv")
    (trap,) = found(checkout)
    assert "copied or moved" in trap.found and "`make setup`" in trap.remedy and trap.fatal
    script = checkout / ".venv/bin/fer"
    script.write_text(f"#!/bin/sh\n'''exec' \"{tmp_path}/long/.venv/bin/python3.11\" \"$0\"\n")
    assert "long/.venv" in found(checkout)[0].found


def test_the_command_of_another_checkout_does_not_start(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CODE", tmp_path / "other")
    with pytest.raises(MachineError, match=r"another checkout[\s\S]*make setup"):
        check_traps(checkout)


def test_a_path_outside_ascii_only_warns(
    tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    moved = tmp_path / "größe"
    checkout.rename(moved)
    shutil.rmtree(moved / ".venv")
    monkeypatch.setattr(module, "_CODE", moved)
    with caplog.at_level(logging.WARNING):
        check_traps(moved)
    assert "outside ASCII" in caplog.text and "clone the project" in caplog.text


@pytest.mark.parametrize(
    ("number", "says", "remedy"),
    [(errno.EROFS, "Read-only", "make it writable"), (errno.ENOSPC, "No space", "fer gc")],
)
def test_a_cache_that_cannot_be_written(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str, remedy: str
) -> None:
    def refuse(**_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    (trap,) = found(checkout)
    assert says in trap.found and remedy in trap.remedy and "cache.dir" in trap.remedy


def test_a_disk_without_room_for_anything(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(9, 9, 5))
    (trap,) = found(checkout)
    assert "is full" in trap.found and "fer gc" in trap.remedy


def test_umask_077_with_a_cache_of_a_group(checkout: Path, umask: None) -> None:
    assert found(checkout) == []
    (checkout / ".dvc/cache").chmod(0o2775)
    (trap,) = found(checkout)
    assert "umask 077" in trap.found and "cache.shared group" in trap.remedy
    (checkout / ".dvc/config").write_text("[cache]\n    shared = group\n")
    assert found(checkout) == []


@pytest.mark.parametrize(
    ("key", "twice"),
    [("teachers", "TINY_RESNET"), ("sets", "Sample_Expw"), ("student", "KD")],
)
def test_names_that_differ_only_in_case_are_refused(key: str, twice: str) -> None:
    params = read_params(SAMPLE)
    if key == "student":
        params["student"]["methods"].append(twice)
        params["student"][twice] = {**params["student"]["kd"], "method": "kd"}
    else:
        known = {name.lower(): name for name in params[key]}
        params[key][twice] = params[key][known[twice.lower()]]
    with pytest.raises(ParamsError, match=r"differ only in case[\s\S]*rename one"):
        check_params(params, SAMPLE)
