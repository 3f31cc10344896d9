"""CLAHE speed: the batched torch port against a loop of OpenCV calls, in one run and with one
thread each.

    python bench/clahe_bench.py [--device cuda] [--images 64] [--threads 1]

Prints images a second of both and their ratio (above 1: the port is faster), and the pixels in
which they differ.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
import typer

from fer_core.images.clahe import clahe_rgb
from fer_core.pixels.opencv import cv2


def main(
    device: str = "cpu", images: int = 64, threads: int = 1, clip: float = 2.0, rounds: int = 15
) -> None:
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    print(
        f"{device}, {threads} thread(s), {images} images a batch, clip {clip}; images/s, best of "
        f"{rounds} rounds"
    )
    print("  px tiles     OpenCV loop      torch    ratio   differing pixels")
    for size in (48, 112, 224):
        for tile in (4, 8):
            batch = photo_like(images, size)
            tensor = torch.from_numpy(batch).to(device)
            differing = int(
                (by_opencv(batch, clip, tile) != clahe_rgb(tensor, clip, tile).cpu().numpy())
                .any(axis=-1)
                .sum()
            )
            loop, port = best_seconds(
                [
                    lambda b=batch, t=tile: by_opencv(b, clip, t),
                    lambda x=tensor, t=tile: finished(x, clip, t),
                ],
                rounds,
            )
            print(
                f"{size:4} {tile:5} {images / loop:15,.0f} {images / port:10,.0f} "
                f"{loop / port:8.2f} {differing:18}"
            )


def photo_like(images: int, size: int) -> np.ndarray:
    generator = np.random.default_rng(1337)
    coarse = generator.integers(0, 256, (images, 8, 8, 3), dtype=np.uint8)
    return np.stack(
        [cv2.resize(one, (size, size), interpolation=cv2.INTER_CUBIC) for one in coarse]
    )


def by_opencv(images: np.ndarray, clip: float, tile: int) -> np.ndarray:
    equaliser = cv2.createCLAHE(clip, (tile, tile))
    result = np.empty_like(images)
    for image, out in zip(images, result, strict=True):
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        lab[:, :, 0] = equaliser.apply(lab[:, :, 0])
        cv2.cvtColor(lab, cv2.COLOR_LAB2RGB, dst=out)
    return result


def finished(images: torch.Tensor, clip: float, tile: int) -> None:
    clahe_rgb(images, clip, tile)
    if images.is_cuda:
        torch.cuda.synchronize()


def best_seconds(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """Least seconds of each call; the calls take turns, so that both meet the same load of the
    machine.
    """
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for index, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[index] = min(best[index], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    typer.run(main)
