"""Work spread over threads or processes whose results come back in order."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from fer_core.base.settings import load_settings

__all__ = ["ordered_map", "process_map"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_WORTH_A_PROCESS = 200


def ordered_map(
    work: Callable[[Item], Result], items: Iterable[Item], chunk: int = 1
) -> Iterator[Result]:
    """`map(work, items)` on the threads that the machine's settings allow; lazy, in order, the same
    results on any number. No more than a window of them is in memory.

    Args:
        work: releases the interpreter while it works (OpenCV, zlib, hashlib), else threads are of
            no use.
        items: read only a few chunks ahead.
        chunk: items a thread takes at a time; more for short work.

    Raises:
        Whatever `work` or `items` raise, at the place of the first item in order that fails.
    """
    threads = load_settings().cpu_threads()
    iterator = iter(items)

    def run(part: list[Item]) -> list[Result]:
        return [work(item) for item in part]

    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[list[Result]]] = deque()
    try:
        while part := list(islice(iterator, chunk)):
            waiting.append(pool.submit(run, part))
            if len(waiting) >= 2 * threads + 2:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def process_map(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """`map(work, items)` on the processes that the machine's settings allow, for Python work, which
    threads cannot share; in order, the same results on any number.

    Args:
        work: a function of a module, or a `functools.partial` of one, so that another process can
            find it.
        items: what it is called with, one at a time.
    """
    processes = min(load_settings().cpu_threads(), len(items) // _WORTH_A_PROCESS)
    if processes < 2:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, items, chunksize=32)
