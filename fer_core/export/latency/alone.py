"""What a network takes when it is alone: measured in a process of its own, because threads of other
networks in the same process spin for a while after their calls.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from fer_core.base.errors import MachineError
from fer_core.predict.predictor import Predictor

__all__ = ["Alone", "measure_alone"]

_SECONDS = 0.3


@dataclass(frozen=True)
class Alone:
    """What a process takes that only answers for faces, one at a time.

    Attributes:
        memory_mb: resident memory that it grows by through the network, in 10^6 bytes.
        cores_busy: processor time over wall time, by number of threads.
    """

    memory_mb: float
    cores_busy: dict[int, float]


def measure_alone(file: Path, threads: Sequence[int]) -> Alone:
    """Open a file of ours in another process, and answer for a while with each number of threads.

    Raises:
        MachineError: the process ended otherwise.
    """
    command = [sys.executable, "-m", __name__, str(file), *map(str, threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(
            "What a network takes could not be measured.",
            where=file,
            found=done.stderr.strip().splitlines()[-1:] or f"status {done.returncode}",
        )
    found = json.loads(done.stdout)
    busy = {int(count): value for count, value in found["cores_busy"].items()}
    return Alone(found["memory_mb"], busy)


def main(file: str, *threads: str) -> None:
    """Print it as JSON."""
    own = psutil.Process()
    before, grown, busy = own.memory_info().rss, 0.0, {}
    for count in map(int, threads):
        predictor = Predictor(Path(file), threads=count)
        side = predictor.metadata.preprocessing.size
        face = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
        prepared = predictor.prepare([face])
        predictor.run(prepared)
        began, used = time.perf_counter(), time.process_time()
        while time.perf_counter() - began < _SECONDS:
            predictor.run(prepared)
        busy[count] = (time.process_time() - used) / (time.perf_counter() - began)
        grown = grown or (own.memory_info().rss - before) / 1e6
        del predictor  # with it its threads end
    sys.stdout.write(json.dumps(asdict(Alone(grown, busy))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
