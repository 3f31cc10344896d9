"""Kill runs of the pipeline at random and at every write, run again, and compare with a run that
nobody disturbed.

    python bench/kill_bench.py [KILLS]

Four ways: the process is killed (SIGKILL) at its n-th write, n going through the whole run; the
disk is full from the n-th write on; a signal comes at a random time, to the coordinator alone or to
all its processes; and a plain `dvc repro` is killed at its n-th write, after which `fer doctor
--repair` is called. Every way ends with an ordinary `fer run`: it must end well, and dvc.lock and
all files that the stages make must be those of the undisturbed run.

Prints a Markdown table; docs/reliability.md holds the last one.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).parents[1]
STAGES = 6
SEED = 1337
AIMED = """
import builtins, errno, io, os, signal, sys
at, how, left = int(sys.argv[1]), sys.argv[2], [0]
def hit():
    left[0] += 1
    if left[0] == at and how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if at and left[0] >= at and how == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
def aimed(call):
    def wrapped(*args, **options):
        hit()
        found = call(*args, **options)
        hit()
        return found
    return wrapped
def opened(call):
    def wrapped(file, mode="r", *args, **options):
        writes = isinstance(mode, str) and set(mode) & set("wax+") and "/dev/" not in str(file)
        return (aimed(call) if writes else call)(file, mode, *args, **options)
    return wrapped
def start():
    names = ["replace", "rename", "link", "mkdir", "fsync"]
    if how == "kill":
        names += ["unlink", "remove", "rmdir"]  # a full disk lets files be removed
    for name in names:
        setattr(os, name, aimed(getattr(os, name)))
    builtins.open = io.open = opened(io.open)
import atexit
sys.path.insert(0, os.environ["PROJECT"])
sys.argv[:] = [sys.argv[3], *sys.argv[4:]]
if sys.argv[0] == "fer":
    from pathlib import Path
    from fer_core.base.errors import FerError
    from fer_core.pipeline.running.plan import make_plan
    from fer_core.pipeline.running.machine import Machine
    from fer_core.pipeline.running.scheduler import run_plan
    from fer_core.pipeline.checkout.workspace import open_workspace
    import dvc.repo, dvc.repo.reproduce
    start()
    try:
        with open_workspace() as workspace:
            status = run_plan(make_plan(workspace), Machine(2, 2, ()), lambda _: False, workspace)
    except (FerError, OSError) as error:
        print(error, file=sys.stderr)
        status = 1
    print("writes", left[0], file=sys.stderr)
    sys.exit(status)
from dvc.cli import main
start()
sys.exit(main(sys.argv[1:]))
"""


@dataclass
class Row:
    """What came of one way of killing.

    Attributes:
        kills: runs that were killed or failed.
        ended: runs that had ended before the signal came.
        broken: records that could not be read before they were repaired.
        unequal: final states that differ from the undisturbed one; there must be none.
    """

    kills: int = 0
    ended: int = 0
    broken: int = 0
    unequal: int = 0
    seen: Counter[str] = field(default_factory=Counter)


def main(kills: int) -> int:
    """Run all four ways; returns the number of final states that differ."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        program = base / "aimed.py"
        program.write_text(AIMED)
        template = lay(base / "template")
        done = start(template, program, "0", "kill", "fer")
        assert done.returncode == 0, done.stderr
        writes = int(done.stderr.split()[-1])
        expected = state(template)
        fresh = lay(base / "fresh")
        table = {
            "`fer run`, SIGKILL at the n-th write": Row(),
            "`fer run`, disk full from the n-th write on": Row(),
            "`fer run`, a signal at a random time": Row(),
            "`dvc repro`, SIGKILL at the n-th write, then `fer doctor --repair`": Row(),
        }
        rows = list(table.values())
        chance = random.Random(SEED)
        each = kills // 4
        for number in tqdm(range(each), desc="kills", unit=" of each way"):
            at = 1 + number * (writes - 1) // max(1, each - 1)
            for row, how in zip(rows, ("kill", "full", "signal", "dvc"), strict=True):
                place = base / "run"
                shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(fresh, place)
                disturb(row, how, place, program, at, chance)
                finish(row, place, program, expected)
    print(f"{writes} writes in an undisturbed run of {STAGES + 1} stages\n")
    print("| way | killed | had ended | records broken, then repaired | final states that differ |")
    print("|---|---:|---:|---:|---:|")
    for name, row in table.items():
        print(f"| {name} | {row.kills} | {row.ended} | {row.broken} | {row.unequal} |")
    return sum(row.unequal for row in rows)


def lay(root: Path) -> Path:
    """A checkout of its own, with stages that take some milliseconds."""
    root.mkdir()
    stages = "".join(
        f"  s{n}:\n    cmd: mkdir -p out/s{n} && echo {n} > out/s{n}/value && sleep 0.05\n"
        f"    deps: [{'in.txt' if n < 2 else f'out/s{n - 2}'}]\n"
        f"    params: [rate]\n    outs: [out/s{n}]\n"
        for n in range(STAGES)
    )
    stages += "  last:\n    cmd: cat out/s4/value > last.txt\n    deps: [out/s4]\n"
    stages += "    outs: [last.txt: {cache: false}]\n"
    (root / "dvc.yaml").write_text(f"stages:\n{stages}")
    (root / "params.yaml").write_text("rate: 0.1\n")
    (root / "in.txt").write_text("in\n")
    (root / ".dvc/tmp").mkdir(parents=True)
    (root / ".dvc/config").write_bytes((ROOT / ".dvc/config").read_bytes())
    (root / ".dvc/.gitignore").write_text("/tmp\n/cache\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def start(
    place: Path, program: Path, at: str, how: str, *command: str
) -> subprocess.CompletedProcess[str]:
    """Run a command that is killed at its n-th write, or never where `at` is 0."""
    return subprocess.run(
        [sys.executable, str(program), at, how, *command],
        cwd=place,
        env=os.environ | {"PROJECT": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def disturb(row: Row, how: str, place: Path, program: Path, at: int, chance: random.Random) -> None:
    """One run that does not end by itself."""
    if how == "signal":
        process = subprocess.Popen(
            [sys.executable, str(program), "0", "kill", "fer"],
            cwd=place,
            env=os.environ | {"PROJECT": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(chance.uniform(0.5, 3.5))
        number = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        send = chance.choice([os.kill, os.killpg])
        if process.poll() is None:
            send(process.pid, number)
        status = process.wait()
    elif how == "dvc":
        status = start(place, program, str(at), "kill", "dvc", "repro", "-q").returncode
        broken = [place / "dvc.lock", place / ".dvc/tmp/rwlock"]
        row.broken += any(file.exists() and not file.read_bytes().strip() for file in broken)
        repair = "from fer_cli.main import main; main()"
        subprocess.run(
            [sys.executable, "-c", repair, "doctor", "--repair"],
            cwd=place,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
    else:
        status = start(place, program, str(at), how, "fer").returncode
    row.kills += status != 0
    row.ended += status == 0


def finish(row: Row, place: Path, program: Path, expected: dict[str, bytes]) -> None:
    """The run after it, which must end as if nothing had been."""
    done = start(place, program, "0", "kill", "fer")
    found = state(place)
    if done.returncode or found != expected:
        row.unequal += 1
        names = [name for name in expected | found if expected.get(name) != found.get(name)]
        print(f"unequal: {names} {done.stderr[-2000:]}", file=sys.stderr)


def state(place: Path) -> dict[str, bytes]:
    """All that stages and coordinator leave, but for files of DVC's cache that nothing names, which
    a killed process left there. Lines of .gitignore may come in another order.
    """
    files = [place / "dvc.lock", place / "last.txt", place / ".gitignore"]
    files += (place / "out").rglob("*")
    files += (file for file in (place / ".dvc/cache").rglob("*") if file.suffix != ".tmp")
    found = {str(file.relative_to(place)): file.read_bytes() for file in files if file.is_file()}
    for name in found:
        if name.endswith(".gitignore"):
            found[name] = b"\n".join(sorted(found[name].splitlines()))
    return found


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 240) > 0)
