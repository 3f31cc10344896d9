"""A run records what DVC itself would have recorded, and survives what earlier ones left."""

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fer_cli.doctor.project import check_records
from fer_cli.main import app
from fer_core.base.errors import ArtifactError, BusyError, ParamsError
from fer_core.pipeline.checkout.lockfile import mend_lock, put_entry
from fer_core.pipeline.checkout.reservations import Reservations, mend_rwlock
from fer_core.pipeline.checkout.workspace import open_workspace
from tests.pipeline.checkouts import PARAMS, dvc, lay_checkout, ran, run
from tests.waiting import until, when

ALL = ["a", "b", "fact", "joined"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = lay_checkout(tmp_path / "checkout")
    monkeypatch.chdir(root)
    monkeypatch.setenv("RAN", str(tmp_path / "ran.log"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return root


def recorded(root: Path) -> dict[str, bytes]:
    """What a run leaves for DVC and git: the lock, ignore files, run cache and objects.

    Lines of ignore files are sorted: they are added as stages end, and two may run at once.
    """
    files = [root / "dvc.lock"]
    for folder in ("runs", "files/md5"):
        files += [file for file in (root / ".dvc/cache" / folder).rglob("*") if file.is_file()]
    found = {file.relative_to(root).as_posix(): file.read_bytes() for file in files}
    for file in root.glob("**/.gitignore"):
        found[file.relative_to(root).as_posix()] = b"".join(
            sorted(file.read_bytes().splitlines(True))
        )
    return found


def test_records_are_byte_for_byte_those_of_dvc_repro(checkout: Path, tmp_path: Path) -> None:
    other = lay_checkout(tmp_path / "other")
    for change in (
        lambda root: None,
        lambda root: (root / "params.yaml").write_text(PARAMS.replace("[1, 2]", "[1, 3]")),
        lambda root: (root / "stage.py").open("a").write("# another\n"),
    ):
        change(checkout), change(other)
        assert run() == 0
        dvc(other, "repro")
        assert recorded(checkout) == recorded(other)
        assert "up to date" in dvc(checkout, "status")
    assert run() == 0
    ran(checkout)
    dvc(checkout, "repro")
    assert ran(checkout) == []


def test_params_may_say_a_thing_once_by_an_anchor(checkout: Path) -> None:
    shared = PARAMS.replace("{small: 1e-5,", "{small: &one [0.5, 2], large: *one,")
    (checkout / "params.yaml").write_text(shared)
    for text in (shared, shared.replace("2]", "3]")):
        (checkout / "params.yaml").write_text(text)
        assert run() == 0
        assert "up to date" in dvc(checkout, "status")
        ran(checkout)
        dvc(checkout, "repro")
        assert ran(checkout) == []
    stages = yaml.safe_load((checkout / "dvc.lock").read_text())["stages"]
    for stage in ("make@a", "make@b"):
        rates = stages[stage]["params"]["params.yaml"]["rates"]
        assert rates["small"] == rates["large"] == [0.5, 3]


def test_a_result_of_the_run_cache_is_taken_and_nothing_runs(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    assert ran(checkout) == ALL
    (checkout / "params.yaml").write_text(PARAMS.replace("exact: 0.1", "exact: 0.2"))
    run()
    assert ran(checkout) == ["a", "b"], "what they make did not change, so nothing else runs"
    (checkout / "params.yaml").write_text(PARAMS)
    (checkout / "joined/value.txt").unlink()
    assert run() == 0
    assert ran(checkout) == []
    assert (checkout / "joined/value.txt").exists()
    assert capsys.readouterr().out.count("is cached") == 3


def test_a_file_that_is_edited_while_its_stage_runs_makes_it_run_again(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACE", "1")
    begun = checkout.parent / "ran.log"  # the stage's first act, before it waits for PACE
    edit = when(begun.exists, lambda: (checkout / "stage.py").open("a").write("# edited\n"))
    run("make@a")
    edit.join()
    monkeypatch.setenv("PACE", "0")
    assert ran(checkout) == ["a"]
    run("make@a")
    assert ran(checkout) == ["a"]
    run("make@a")
    assert ran(checkout) == []


def test_a_forced_stage_runs_alone_though_its_result_is_cached(checkout: Path) -> None:
    run()
    ran(checkout)
    assert run("join", force=True) == 0
    assert ran(checkout) == ["joined"]


def test_a_stage_that_fails_leaves_the_rest_recorded_and_no_reservation(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FAILS", "joined")
    assert run() == 7
    assert "stage join failed with status 7" in caplog.text and "not run: fact" in caplog.text
    assert json.loads((checkout / ".dvc/tmp/rwlock").read_text()) == {"write": {}, "read": {}}
    monkeypatch.delenv("FAILS")
    ran(checkout)
    assert run() == 0
    assert ran(checkout) == ["fact", "joined"]


def test_a_stage_that_makes_nothing_is_an_error_that_names_it(
    checkout: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = (checkout / "dvc.yaml").read_text()
    (checkout / "dvc.yaml").write_text(text.replace("stage.py fact", "stage.py other"))
    assert run() == 1
    assert "cannot be recorded" in caplog.text and "where: fact" in caplog.text


def test_a_file_that_a_stage_reads_and_nobody_has_is_named_and_nothing_is_lost(
    checkout: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run()
    before = (checkout / "joined/value.txt").read_bytes()
    (checkout / "added.txt").unlink()
    assert run() == 1
    assert re.search(r"(?s)reads what is not there.*join.*added\.txt.*put it there", caplog.text)
    assert (checkout / "joined/value.txt").read_bytes() == before
    (checkout / "added.txt").write_text("by hand\n")
    assert run() == 0


def test_outs_are_links_to_the_cache(checkout: Path) -> None:
    run()
    for file in ("joined/value.txt", "joined/more/big.bin", "made/a/value.txt"):
        assert (checkout / file).stat().st_nlink > 1
    assert (checkout / "fact/value.txt").stat().st_nlink == 1, "git keeps this one"


def test_data_that_was_added_by_hand_and_frozen_stages_are_as_with_dvc(checkout: Path) -> None:
    (checkout / "data.txt").write_text("one")
    dvc(checkout, "add", "data.txt")
    text = (checkout / "dvc.yaml").read_text().replace("added.txt", "data.txt")
    (checkout / "dvc.yaml").write_text(text)
    assert run() == 0
    ran(checkout)
    (checkout / "data.txt").unlink()
    (checkout / "data.txt").write_text("two")
    assert run() == 0
    assert ran(checkout) == ["joined"]
    assert "up to date" in dvc(checkout, "status")
    dvc(checkout, "freeze", "join")
    (checkout / "data.txt").unlink()
    (checkout / "data.txt").write_text("three")
    assert run() == 0
    assert ran(checkout) == []


@pytest.mark.parametrize(
    "damage", [b"", b"schema: '2.0'\nstages:\n  x: [", b"\0\xff" * 9, b"3\n", b"[" * 100_000]
)
def test_a_damaged_lock_is_replaced_by_the_last_good_one(
    checkout: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    run()
    ran(checkout)
    good = (checkout / "dvc.lock").read_bytes()
    (checkout / "dvc.lock").write_bytes(damage)
    assert run() == 0
    assert (checkout / "dvc.lock").read_bytes() == good
    assert (checkout / ".dvc/tmp/dvc.lock.damaged").read_bytes() == damage
    assert ran(checkout) == []
    assert "damaged" in caplog.text


def test_without_a_good_copy_git_has_one_and_without_git_the_run_cache_knows_all(
    checkout: Path,
) -> None:
    run()
    ran(checkout)
    good = (checkout / "dvc.lock").read_bytes()
    for committed in (False, True):
        if committed:
            for command in (
                ["add", "-A"],
                ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"],
            ):
                subprocess.run(["git", *command], check=True)
        (checkout / ".dvc/tmp/dvc.lock.good").unlink()
        (checkout / "dvc.lock").write_bytes(b"")
        assert ("last commit" if committed else "made anew") in str(mend_lock(checkout))
        assert run() == 0
        assert (checkout / "dvc.lock").read_bytes() == good
        assert set(ran(checkout)) <= {"fact"}, "what DVC does not cache runs again"


def test_marks_of_a_merge_are_told_and_left_to_their_owner(checkout: Path) -> None:
    run()
    text = (checkout / "dvc.lock").read_text().replace("stages:\n", "<<<<<<< HEAD\nstages:\n", 1)
    (checkout / "dvc.lock").write_text(text)
    with pytest.raises(ArtifactError, match=r"git checkout --ours dvc\.lock"):
        run()
    assert (checkout / "dvc.lock").read_text() == text


def test_a_lock_that_people_have_edited_keeps_their_comments(checkout: Path) -> None:
    run()
    text = (checkout / "dvc.lock").read_text()
    edited = "# ours\n" + text.replace("  join:", "  # why\n  join:") + "# end\n"
    (checkout / "dvc.lock").write_text(edited)
    (checkout / "params.yaml").write_text(PARAMS.replace("true", "false"))
    assert run() == 0
    found = (checkout / "dvc.lock").read_text()
    assert "# ours" in found and "# why" in found and "flag: false" in found
    assert "up to date" in dvc(checkout, "status")


def test_an_entry_of_the_run_cache_without_content_stops_nothing(checkout: Path) -> None:
    """DVC killed between making the folder and moving the file into it."""
    run()
    ran(checkout)
    for file in (checkout / ".dvc/cache/runs").glob("*/*/*"):
        file.unlink()
    (checkout / "dvc.lock").unlink()
    (checkout / "made/.0123456789abcdefghij-_.tmp").write_text("left")
    assert run() == 0
    assert ran(checkout) == ALL
    assert not (checkout / "made/.0123456789abcdefghij-_.tmp").exists()


@pytest.mark.usefixtures("small_files")
def test_on_a_full_disk_the_lock_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    lock = tmp_path / "dvc.lock"
    put_entry(tmp_path, "small", {"cmd": "x"})
    before = lock.read_bytes()
    with pytest.raises(Exception, match="could not be written"):
        put_entry(tmp_path, "large", {"cmd": "y" * 4000})
    assert lock.read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"write": {"a": 3}}', b"\xff"])
def test_a_damaged_rwlock_stops_nobody(checkout: Path, damage: bytes) -> None:
    file = checkout / ".dvc/tmp/rwlock"
    file.write_bytes(damage)
    assert run() == 0
    assert json.loads(file.read_text()) == {"write": {}, "read": {}}


def held(root: Path, process: int, command: str) -> Path:
    """An rwlock that says that a process writes `made/a`."""
    file = root / ".dvc/tmp/rwlock"
    entry = {"pid": process, "cmd": command}
    file.write_text(json.dumps({"write": {str(root / "made/a"): entry}, "read": {}}))
    return file


def test_the_number_of_a_dead_process_that_lives_again_holds_nothing_up(checkout: Path) -> None:
    held(checkout, os.getpid(), "/bin/dvc repro of an earlier life")
    assert mend_rwlock(checkout / ".dvc/tmp") is not None
    file = held(checkout, 1, "init")
    os.utime(file, (0, 0))
    assert run() == 0


def test_files_of_another_live_dvc_command_are_waited_for(
    checkout: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", "repro"], stdin=subprocess.PIPE
    )
    held(checkout, other.pid, "/bin/dvc repro")
    reaper = when(lambda: "waits" in caplog.text, other.communicate)
    assert run(jobs=1) == 0
    reaper.join()
    assert other.returncode == 0 and "waits" in caplog.text and str(other.pid) in caplog.text
    assert ran(checkout) == ALL


def test_what_two_stages_read_is_held_until_the_second_ends(tmp_path: Path) -> None:
    command = " ".join(sys.argv)
    ours, theirs = Reservations(tmp_path, command), Reservations(tmp_path, "dvc repro")
    path = str(tmp_path / "pack")
    ours.hold([path], ["a"])
    ours.hold([path], ["b"])
    ours.release([path], ["a"])
    for wanted in (path, str(tmp_path / "pack/part"), "b"):
        with pytest.raises(BusyError, match=f"process {os.getpid()}"):
            _as_live(theirs, [wanted])
    _as_live(theirs, ["a"])
    ours.release([path], ["b"])
    _as_live(theirs, [path])


def _as_live(theirs: Reservations, writes: list[str]) -> None:
    theirs.hold([], writes)
    theirs.release([], writes)


def test_one_run_at_a_time_and_a_second_says_who_runs_and_waits_or_leaves(
    checkout: Path, caplog: pytest.LogCaptureFixture
) -> None:
    order = []
    with open_workspace():
        with pytest.raises(BusyError, match=f"process {os.getpid()}"), open_workspace(wait=False):
            pass

        def second() -> None:
            with open_workspace():
                order.append("second")

        waiting = threading.Thread(target=second)
        waiting.start()
        until(lambda: "waiting for it" in caplog.text)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
    assert "waiting for it" in caplog.text and str(os.getpid()) in caplog.text


def test_what_dvc_cannot_read_is_an_error_with_a_remedy(checkout: Path) -> None:
    (checkout / "dvc.yaml").write_text(
        "stages:\n  a: {cmd: x, outs: [o]}\n  b: {cmd: y, outs: [o]}\n"
    )
    with pytest.raises(ParamsError, match=r"DVC cannot read[\s\S]*git checkout -- dvc\.yaml"):
        run()


def test_what_a_plain_dvc_run_left_broken_is_told_and_repaired_by_the_doctor(
    checkout: Path,
) -> None:
    run()
    (checkout / "dvc.lock").write_bytes(b"")
    (checkout / ".dvc/tmp/rwlock").write_bytes(b"")
    found = [str(finding) for finding in check_records(Path(".dvc"))]
    assert len(found) == 2 and all("FAIL" in text and "--repair" in text for text in found)
    for told in ("dvc.lock was damaged", "records are in order"):
        assert told in CliRunner().invoke(app, ["doctor", "--repair"]).output
    assert next(str(finding) for finding in check_records(Path(".dvc"))).startswith("ok")
    assert "up to date" in dvc(checkout, "status")
