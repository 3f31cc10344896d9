"""Stages run side by side, each after all it needs; the stages are small shell commands that log
what they do.
"""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from fer_core.base.settings import Settings
from fer_core.pipeline.checkout.workspace import Command
from fer_core.pipeline.running import scheduler
from fer_core.pipeline.running.machine import Machine, machine_for
from fer_core.pipeline.running.plan import Plan, plan_of
from fer_core.pipeline.running.scheduler import run_plan
from tests.waiting import until, when

SCRIPT = """
import os, sys, time
from pathlib import Path
stage, log = sys.argv[2], Path(sys.argv[1])
def note(what):
    with log.open("a") as stream:
        told = [os.environ.get("FER_DEVICE", "-"), os.environ["FER_THREADS"], os.environ["FER_SIDE_BY_SIDE"]]
        stream.write(" ".join([what, stage, *told]) + "\\n")
try:
    note("start")
    time.sleep(float(os.environ.get("PACE", "0.05")))
except KeyboardInterrupt:
    note("interrupted")
    sys.exit(130)
if stage == os.environ.get("FAILS"):
    sys.exit(7)
if stage == os.environ.get("CRASHES"):
    os.kill(os.getpid(), 11)
if "CRASHES" in os.environ:
    time.sleep(2)
note("end")
"""
UPSTREAM = {"a@1": set(), "a@2": set(), "b": {"a@1", "a@2"}, "latency": {"a@1"}, "c": {"b"}}


class Plain:
    """Stages without DVC: each is the script above."""

    def __init__(self, script: Path, log: Path) -> None:
        self.script, self.log = script, log

    def begin(self, name: str) -> Command:
        arguments = [sys.executable, str(self.script), str(self.log), name]
        return Command("", arguments, ".", dict(os.environ))

    def finish(self, name: str) -> None:
        """Nothing is recorded."""

    abandon = finish


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Runs a plan; returns the status and the log's lines."""
    script, log = tmp_path / "stage.py", tmp_path / "log"
    script.write_text(SCRIPT)
    monkeypatch.delenv("FER_DEVICE", raising=False)

    def run(plan: Plan, machine: Machine, wants=lambda stage: False) -> tuple[int, list[list[str]]]:
        plain = scheduler.Nurseries(())  # none of these commands could be forked from a ready one
        status = run_plan(plan, machine, wants, Plain(script, log), executor=plain)
        return status, [
            line.split() for line in log.read_text().splitlines()
        ] if log.exists() else []

    return run


def places(lines: list[list[str]]) -> dict[tuple[str, str], int]:
    return {(what, stage): number for number, (what, stage, *_) in enumerate(lines)}


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_every_stage_starts_after_what_it_needs_has_ended(go, jobs):
    status, lines = go(plan_of(UPSTREAM, set(UPSTREAM), set(UPSTREAM)), Machine(jobs, 4, ()))
    assert status == 0
    place = places(lines)
    for stage, needs in UPSTREAM.items():
        assert all(place["end", other] < place["start", stage] for other in needs)


def test_independent_stages_run_side_by_side_and_a_timing_stage_alone(go, monkeypatch):
    monkeypatch.setenv("PACE", "1")
    _, lines = go(plan_of(UPSTREAM, set(UPSTREAM), set(UPSTREAM)), Machine(2, 4, ()))
    place = places(lines)
    assert max(place["start", "a@1"], place["start", "a@2"]) < min(
        place["end", "a@1"], place["end", "a@2"]
    )
    assert place["end", "latency"] == place["start", "latency"] + 1
    threads = {stage: int(count) for what, stage, _, count, _ in lines if what == "start"}
    assert threads["latency"] == 4 and threads["a@1"] == 2


def test_each_device_serves_one_stage_at_a_time(go, monkeypatch):
    monkeypatch.setenv("PACE", "0.2")
    upstream = {f"t@{n}": set() for n in range(4)} | {"light": set()}
    _, lines = go(
        plan_of(upstream, set(upstream), set(upstream)),
        Machine(4, 4, ("cuda:0", "cuda:1")),
        lambda stage: stage != "light",
    )
    busy: dict[str, str] = {}
    for what, stage, device, *_ in lines:
        if stage == "light":
            assert device == "-"
        elif what == "start":
            assert device not in busy
            busy[device] = stage
        else:
            del busy[device]
    assert {device for _, stage, device, *_ in lines if stage != "light"} == {"cuda:0", "cuda:1"}


def test_a_crash_is_told_by_its_signal_while_others_still_run(go, monkeypatch, caplog):
    monkeypatch.setenv("CRASHES", "a@2")
    status, lines = go(plan_of(UPSTREAM, set(UPSTREAM), set(UPSTREAM)), Machine(2, 4, ()))
    assert status == 128 + signal.SIGSEGV and ["end", "a@1"] in [line[:2] for line in lines]
    assert "a@2 failed with status 139 (SIGSEGV); left to end: a@1" in caplog.text


def test_after_a_failure_nothing_starts_and_the_status_is_passed_on(go, monkeypatch, caplog):
    monkeypatch.setenv("FAILS", "a@2")
    status, lines = go(plan_of(UPSTREAM, set(UPSTREAM), set(UPSTREAM)), Machine(2, 4, ()))
    assert status == 7
    assert {stage for _, stage, *_ in lines} <= {"a@1", "a@2"}
    assert "a@2 failed with status 7" in caplog.text and "not run: b" in caplog.text


def test_a_signal_reaches_every_stage_and_nothing_starts_after_it(go, monkeypatch, tmp_path):
    monkeypatch.setenv("PACE", "100")
    log = tmp_path / "log"
    both = lambda: log.exists() and log.read_text().count("start") == 2  # noqa: E731
    when(both, lambda: os.kill(os.getpid(), signal.SIGINT))
    started = time.monotonic()
    status, lines = go(plan_of(UPSTREAM, set(UPSTREAM), set(UPSTREAM)), Machine(2, 4, ()))
    assert status == 128 + signal.SIGINT
    assert time.monotonic() - started < 90
    assert {stage for what, stage, *_ in lines if what == "interrupted"} == {"a@1", "a@2"}
    assert not {stage for _, stage, *_ in lines} & {"b", "c", "latency"}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_that_comes_while_a_stage_is_being_started_reaches_it(
    go, monkeypatch, number, tmp_path
):
    monkeypatch.setenv("PACE", "100")
    start, log = scheduler.Nurseries.start, tmp_path / "log"

    def interrupted(*arguments):
        started = start(*arguments)
        until(lambda: log.exists() and log.read_text().endswith("\n"))  # and not only opened
        os.kill(os.getpid(), number)
        return started

    monkeypatch.setattr(scheduler.Nurseries, "start", interrupted)
    began = time.monotonic()
    status, lines = go(plan_of({"a": set(), "b": {"a"}}, {"a", "b"}, {"a", "b"}), Machine(1, 1, ()))
    assert status == 128 + number
    assert time.monotonic() - began < 90
    assert [(what, stage) for what, stage, *_ in lines] == [("start", "a")]


def test_a_hangup_that_nohup_has_ignored_stays_ignored(go, monkeypatch, tmp_path):
    monkeypatch.setenv("PACE", "1")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        when((tmp_path / "log").exists, lambda: os.kill(os.getpid(), signal.SIGHUP))
        assert go(plan_of({"a": set()}, {"a"}, {"a"}), Machine(1, 1, ()))[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_threads_and_memory_follow_from_the_graph_and_not_from_what_is_left_to_do(go, tmp_path):
    upstream = {
        "first": set(),
        "t@1": {"first"},
        "t@2": {"first"},
        "t@3": {"first"},
        "last": {"t@1", "t@2", "t@3"},
    }
    expected = {
        "first": ["8", "1"],
        "t@1": ["2", "3"],
        "t@2": ["2", "3"],
        "t@3": ["2", "3"],
        "last": ["8", "1"],
    }
    for changed in (set(upstream), {"t@2"}):
        _, lines = go(plan_of(upstream, set(upstream), changed), Machine(4, 8, ()))
        found = {stage: shares for what, stage, _, *shares in lines if what == "start"}
        assert found == {stage: expected[stage] for stage in found}
        assert set(found) == (set(upstream) if len(changed) > 1 else {"t@2", "last"})
        (tmp_path / "log").unlink()
    _, lines = go(plan_of(upstream, {"first", "t@2"}, {"t@2"}), Machine(4, 8, ()))
    assert [shares for what, _, _, *shares in lines] == [["8", "1"]] * 2, (
        "asked for alone it has the whole machine"
    )


def settings(**values: object) -> Settings:
    return Settings(
        **{"device": "auto", "raw": Path("raw"), "runs": Path("runs"), "threads": 8} | values
    )  # type: ignore[arg-type]


def test_the_machine_follows_the_settings(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert machine_for(settings(), None) == Machine(4, 8, ("cuda:0", "cuda:1"))
    assert machine_for(settings(device="cpu", threads=2), None) == Machine(2, 2, ())
    assert machine_for(settings(devices=("cuda:1",), jobs=3), None) == Machine(3, 8, ("cuda:1",))
    assert machine_for(settings(device="cuda:1"), 1) == Machine(1, 8, ("cuda:1",))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine_for(settings(threads=1), None) == Machine(1, 1, ())


def test_stages_that_are_spread_over_all_devices_run_one_at_a_time(go, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    machine = machine_for(settings(processes=2), None)
    assert machine == Machine(4, 8, ("auto",))
    monkeypatch.setenv("PACE", "0.2")
    upstream = {f"t@{n}": set() for n in range(3)} | {"light": set()}
    _, lines = go(
        plan_of(upstream, set(upstream), set(upstream)), machine, lambda stage: stage != "light"
    )
    spread = [(what, stage, device) for what, stage, device, *_ in lines if stage != "light"]
    assert {device for _, _, device in spread} == {"auto"}, "none is pinned to a device of its own"
    assert [what for what, *_ in spread] == ["start", "end"] * 3
