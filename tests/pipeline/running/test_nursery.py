"""A stage that is forked is as one that `python -m` starts."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from fer_core.base.signals import signal_group
from fer_core.pipeline.checkout.workspace import Command
from fer_core.pipeline.running import nursery
from fer_core.pipeline.running.nursery import Nurseries, Process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stages are forked on Linux only")
STAGE = """
import json, os, signal, sys, time
print(json.dumps({
    "argv": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ),
    "session": os.getsid(0) == os.getpid(), "parent": os.getppid(),
    "name": sys.modules["__main__"].__spec__.name, "main": __name__,
    "handler": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "loaded": sorted(sys.modules),
}))
print("to stderr", file=sys.stderr)
if sys.argv[1] == "fails":
    raise SystemExit(7)
if sys.argv[1] == "breaks":
    raise ValueError("broken")
if sys.argv[1] == "waits":
    time.sleep(30)
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Starts stages in a nursery."""
    (tmp_path / "stages").mkdir()
    package = "import os\nos.environ['SET'] = 'here'\n"
    (tmp_path / "stages/__init__.py").write_text(package)
    (tmp_path / "stages/tell.py").write_text(STAGE)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nursery, "LIGHT", ("stages", "colorsys"))
    nurseries = Nurseries([("2", False)] * 3)

    def begin(*arguments: str, threads: str = "2", text: str | None = None) -> Process:
        text = text or f"python -m stages.tell {' '.join(arguments)}"
        command = Command(text, ["sh", "-c", text], str(tmp_path / "elsewhere"), {})
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        environment = {"OMP_NUM_THREADS": threads, "MINE": "yes", "PATH": path}
        environment["PYTHONPATH"] = str(tmp_path)
        return nurseries.start(command, environment, False)

    yield begin
    nurseries.close()


def test_arguments_folder_environment_and_session_are_its_own(start, tmp_path: Path) -> None:
    process = start("a", "data/x=1")
    told = json.loads(process.stdout.readline())
    assert process.stdout.readline() == "to stderr\n"
    assert process.wait() == 0 and process.poll() == 0 and process.cpu > 0 and process.peak > 1e6
    assert told["argv"] == ["a", "data/x=1"] and told["folder"] == str(tmp_path / "elsewhere")
    assert told["environment"] == {
        "OMP_NUM_THREADS": "2",
        "MINE": "yes",
        "PATH": told["environment"]["PATH"],
        "PYTHONPATH": str(tmp_path),
        "SET": "here",
    }, "what the package of the stages sets is there too: libraries read it at their first use"
    assert told["session"] and told["handler"]
    assert (told["name"], told["main"]) == ("stages.tell", "__main__")
    assert "colorsys" in told["loaded"] and "stages.tell" not in told["loaded"]


def test_children_are_forked_side_by_side_and_run_the_code_of_the_moment(
    start, tmp_path: Path
) -> None:
    first = start("waits")
    told = json.loads(first.stdout.readline())
    (tmp_path / "stages/tell.py").write_text("print('edited')\n")
    second = start("a")
    assert second.stdout.read() == "edited\n" and second.wait() == 0
    assert first.poll() is None
    signal_group(first, signal.SIGTERM)
    assert first.wait() == -signal.SIGTERM
    assert told["parent"] != os.getpid()


@pytest.mark.parametrize(("what", "status"), [("fails", 7), ("breaks", 1)])
def test_statuses_are_passed_on(start, what: str, status: int) -> None:
    process = start(what)
    assert ("ValueError: broken" in process.stdout.read()) == (what == "breaks")
    assert process.wait() == status


@pytest.mark.parametrize(
    ("text", "threads"),
    [("echo $MINE; false", "2"), ("python -m stages.tell 'a'", "2"), ("echo yes", "7")],
)
def test_other_commands_and_other_numbers_of_threads_are_ordinary_processes(
    start, text: str, threads: str
) -> None:
    process = start(text=text, threads=threads)
    assert process.stdout.read()
    assert process.wait() == (1 if "false" in text else 0)
    assert os.getpgid(os.getpid()) != process.pid


def test_a_killed_nursery_ends_its_children_and_later_stages_are_ordinary_processes(
    start, caplog: pytest.LogCaptureFixture
) -> None:
    process = start("waits")
    told = json.loads(process.stdout.readline())
    assert process.stdout.readline() == "to stderr\n", "it is about to wait"
    os.kill(told["parent"], signal.SIGKILL)
    assert process.wait() == 1 and "was killed" in caplog.text
    assert process.stdout.read() == "", "it has ended, so its output has"
    assert start("fails").wait() == 7
