"""Fabricated disks, caches and limits, and what is said about them."""

import shutil
from pathlib import Path

import pytest

from fer_cli.doctor import machine as doctor_machine
from fer_cli.doctor.finding import Level, guarded
from fer_cli.doctor.machine import (
    bytes_needed,
    cache_of,
    check_cache,
    check_disks,
    check_memory,
    check_threads,
)
from fer_core.base.settings import Settings
from fer_core.sources.catalogue.descriptor import Descriptor
from fer_core.sources.files.tree import Fingerprint

LINKS = ["reflink", "hardlink", "symlink", "copy"]


def settings(root: Path, threads: int = 0) -> Settings:
    return Settings(device="auto", raw=root / "raw", runs=root / "runs", threads=threads)


def present(name: str, size: float) -> Descriptor:
    return Descriptor(name, "folder7", True, root=name, tree=Fingerprint(1, int(size), "0"))


def config(root: Path, text: str) -> Path:
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc/config").write_text(text)
    return root / ".dvc"


def test_cache_and_links_are_those_of_dvcs_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(tmp_path / "none"))
    dvc = config(tmp_path, '[cache]\n    type = "hardlink,copy"\n')
    assert cache_of(dvc) == (dvc / "cache", ["hardlink", "copy"])
    (dvc / "config.local").write_text(
        f"[cache]\n    dir = {tmp_path}/big/cache\n    type = symlink\n"
    )
    assert cache_of(dvc) == (tmp_path / "big/cache", ["symlink"])
    assert cache_of(config(tmp_path, ""))[1] == ["symlink"]
    (dvc / "config.local").unlink()
    assert cache_of(dvc) == (dvc / "cache", ["reflink", "copy"])


def test_damaged_dvc_configuration_is_a_finding(tmp_path: Path) -> None:
    dvc = config(tmp_path, "[cache\n")
    (finding,) = guarded("disk", lambda: iter([cache_of(dvc)]))  # type: ignore[list-item]
    assert finding.level == Level.FAIL and "configuration" in finding.text


@pytest.mark.parametrize(
    ("kinds", "together", "level"),
    [
        (LINKS, True, Level.OK),
        (LINKS, False, Level.OK),  # symbolic links cross file systems
        (["reflink", "hardlink"], True, Level.OK),
        (["reflink", "hardlink"], False, Level.WARN),
        (["reflink", "copy"], True, Level.WARN),
        (["copy"], True, Level.WARN),
    ],
)
def test_cache_that_doubles_the_data_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: list[str], together: bool, level: Level
) -> None:
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(
        doctor_machine, "_device", lambda place: 1 if together or place.name != "cache" else 2
    )
    (finding,) = check_cache(tmp_path / "cache", kinds, tmp_path)
    assert finding.level == level
    assert ("another file system" in finding.text) == (not together)
    assert ("dvc config --local cache.type reflink,hardlink,symlink,copy" in finding.remedy) == (
        level == Level.WARN
    )


def test_only_listed_data_sets_that_are_present_want_room() -> None:
    sets = [
        present("a", 1e9),
        present("b", 2e9),
        Descriptor("c", "folder7", False),
        Descriptor("s", "expw", True, sample={"seed": 1}),
    ]
    assert bytes_needed(sets, ["a", "b", "c", "s"]) == 9e9
    assert bytes_needed(sets, ["a"]) == 3e9
    assert bytes_needed(sets, ["s"]) == 2e9  # a run writes something in any case


def test_disks_that_are_too_full_fail_each_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {"project": 10e9, "cache": 1e9, "runs": 1e9, "raw": 0.0}
    for name in free:
        (tmp_path / name).mkdir()
    usage = shutil.disk_usage
    monkeypatch.setattr(
        shutil, "disk_usage", lambda place: usage(place)._replace(free=free[Path(place).name])
    )

    def found(needed: float) -> list[tuple[str, str, str]]:
        return [
            (f.level.value, f.what, f.remedy)
            for f in check_disks(
                tmp_path / "project", tmp_path / "cache", settings(tmp_path), needed
            )
        ]

    assert found(5e9) == [
        ("ok", "disk: project", ""),
        ("FAIL", "disk: DVC cache", "dvc config --local cache.dir FOLDER"),
        ("FAIL", "disk: runs", "set FER_RUNS to a folder elsewhere"),
        ("ok", "disk: raw data", ""),
    ]
    assert found(11e9)[0] == ("FAIL", "disk: project", "make room, or `dvc gc --workspace`")
    (tmp_path / "project/data").mkdir()
    with (tmp_path / "project/data/faces.arrow").open("wb") as stream:
        stream.truncate(2_000_000_000)  # what a run has made already needs no more room
    assert found(11e9)[0][0] == "ok"


def test_folder_that_is_not_there_yet_is_measured_where_it_will_be(tmp_path: Path) -> None:
    findings = list(
        check_disks(tmp_path, tmp_path / ".dvc/cache", settings(tmp_path / "not/yet"), 0)
    )
    assert [f.what for f in findings] == [
        "disk: project",
        "disk: DVC cache",
        "disk: runs",
        "disk: raw data",
    ]


def test_little_memory_is_a_warning() -> None:
    assert [f.level for f in check_memory(3e9)] == [Level.WARN] and [
        f.level for f in check_memory(8e9)
    ] == [Level.OK]


def test_more_threads_than_there_are_is_told(tmp_path: Path) -> None:
    assert [(f.level, f.text) for f in check_threads(settings(tmp_path, 0), 4)] == [
        (Level.OK, "4 of 4")
    ]
    assert [(f.level, f.text) for f in check_threads(settings(tmp_path, 2), 4)] == [
        (Level.OK, "2 of 4")
    ]
    assert [f.level for f in check_threads(settings(tmp_path, 8), 4)] == [Level.WARN]
