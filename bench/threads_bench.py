"""Training steps on all cores, alone and beside other work, for several ways in which OpenMP
threads wait for each other.

Run: python -m bench.threads_bench [--arch tf_efficientnet_lite0] [--size 64] [--batch 64] [--steps
12] [--rounds 4]

OpenMP is told how to wait before torch is loaded, so every measurement is a process of its own;
they take turns. "Beside other work" has one process on every core that never rests. Medians over
rounds; the ratio is to OpenMP's own way on the idle machine.
"""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import typer

from stages import SPINS

WAYS = {
    "OpenMP's own way, 300,000 turns": {"GOMP_SPINCOUNT": "300000"},
    "asleep at once (`OMP_WAIT_POLICY=passive`)": {"OMP_WAIT_POLICY": "passive"},
    f"{int(SPINS):,} turns, then asleep (the stages' way)": {"GOMP_SPINCOUNT": SPINS},
}


def main(
    arch: str = "tf_efficientnet_lite0",
    size: int = 64,
    batch: int = 64,
    steps: int = 12,
    rounds: int = 4,
    alone: bool = False,
) -> None:
    """With --alone measure in this process and print images/s."""
    if alone:
        print(_rate(arch, size, batch, steps))
        return
    cores = len(os.sched_getaffinity(0))
    rates: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in WAYS}
    for _ in range(rounds):
        for busy in (0, cores):
            with _other_work(busy):
                for name, way in WAYS.items():
                    rates[name][busy > 0].append(_measured(way, cores))
    print(f"{arch} at {size} px, batch {batch}, {cores} threads; images/s at the median step\n")
    print(
        f"| waiting OpenMP threads | alone | ratio | beside {cores} busy processes | ratio | worst "
        "round |\n|---|---:|---:|---:|---:|---:|"
    )
    reference = median(next(iter(rates.values()))[0])
    for name, (idle, beside) in rates.items():
        print(
            f"| {name} | {median(idle):,.0f} | {median(idle) / reference:.2f}"
            f" | {median(beside):,.0f} | {median(beside) / reference:.2f} | {min(beside):,.0f} |"
        )


def _measured(way: dict[str, str], threads: int) -> float:
    """Images a second that this program prints in a process of its own that waits in the given
    way.
    """
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    command = [sys.executable, "-m", "bench.threads_bench", *sys.argv[1:], "--alone"]
    environment = kept | {"OMP_NUM_THREADS": str(threads)} | way
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _rate(arch: str, size: int, batch: int, steps: int) -> float:
    import timm
    import torch

    torch.manual_seed(0)
    network = timm.create_model(arch, num_classes=7).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    images = torch.randn(batch, 3, size, size).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 7, (batch,))
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - started)
    return batch / median(seconds[2:])


@contextmanager
def _other_work(processes: int) -> Iterator[None]:
    """So many processes that never rest."""
    context = multiprocessing.get_context("spawn")
    busy = [context.Process(target=_spin, daemon=True) for _ in range(processes)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.terminate()
            process.join()


def _spin() -> None:
    while True:
        pass


if __name__ == "__main__":
    typer.run(main)
