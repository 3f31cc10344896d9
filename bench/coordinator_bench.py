"""What running a stage costs beside its own work: 100 stages that do nothing, by `fer run` and by
`dvc repro`, and both again when nothing changed.

    python bench/coordinator_bench.py [STAGES]

Prints a Markdown table: wall time, CPU time of all processes, CPU time a stage.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN = """
from fer_core.pipeline.running.plan import make_plan
from fer_core.pipeline.running.machine import Machine
from fer_core.pipeline.running.scheduler import run_plan
from fer_core.pipeline.checkout.workspace import open_workspace
with open_workspace() as workspace:
    plan = make_plan(workspace)
    raise SystemExit(run_plan(plan, Machine(2, 2, ()), lambda _: False, workspace))
"""


def main(count: int) -> None:
    """Time both ways, each in a fresh checkout."""
    print(f"{count} stages without work, {os.cpu_count()} cores\n")
    print("| | wall s | CPU s | CPU s a stage |\n|---|---:|---:|---:|")
    dvc = [str(Path(sys.executable).parent / "dvc"), "repro", "-q"]
    for name, command in (("`fer run`", [sys.executable, "-c", RUN]), ("`dvc repro`", dvc)):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            lay(place, count)
            for when in ("", ", nothing changed"):
                wall, cpu = timed(command, place)
                print(f"| {name}{when} | {wall:.1f} | {cpu:.1f} | {cpu / count:.3f} |")


def lay(root: Path, count: int) -> None:
    """A checkout with so many stages, a hundred code files that all of them depend on, and as many
    params.
    """
    (root / "code").mkdir()
    for number in range(100):
        (root / "code" / f"module{number}.py").write_text(f"value = {number}\n" * 50)
    (root / "params.yaml").write_text("".join(f"p{n}: {n}\n" for n in range(100)))
    stages = "".join(
        f"  s{n}:\n    cmd: echo {n} > out{n}\n    deps: [code{f', out{n - 1}' if n else ''}]\n"
        f"    params: [p{n % 100}]\n    outs: [out{n}]\n"
        for n in range(count)
    )
    (root / "dvc.yaml").write_text(f"stages:\n{stages}")
    (root / ".dvc/tmp").mkdir(parents=True)
    (root / ".dvc/config").write_bytes((ROOT / ".dvc/config").read_bytes())
    subprocess.run(["git", "init", "-q", str(root)], check=True)


def timed(command: list[str], place: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a command and all that it starts."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
