"""What a network takes of memory: measured in a process of its own, which holds nothing else."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil

from fer_core.base.errors import MachineError
from fer_core.predict.predictor import Predictor

__all__ = ["memory_of"]

_CALLS = 5


def memory_of(file: Path) -> float:
    """Megabytes (10^6 bytes) of resident memory that a process grows by when it opens a file of
    ours and answers for a few faces, one at a time on one thread.

    Raises:
        MachineError: the process ended otherwise.
    """
    command = [sys.executable, "-m", __name__, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(
            "The memory of a network could not be measured.",
            where=file,
            found=done.stderr.strip().splitlines()[-1:] or f"status {done.returncode}",
        )
    return float(done.stdout)


def main(file: str) -> None:
    """Print the growth."""
    own = psutil.Process()
    before = own.memory_info().rss
    predictor = Predictor(Path(file), threads=1)
    side = predictor.metadata.preprocessing.size
    face = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    for _ in range(_CALLS):
        predictor.run(predictor.prepare([face]))
    sys.stdout.write(f"{(own.memory_info().rss - before) / 1e6}\n")


if __name__ == "__main__":
    main(sys.argv[1])
