"""Work spread over threads whose results come back in order, without holding more than a window of
them in memory.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from fer_core.base.settings import load_settings

__all__ = ["ordered_map"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    work: Callable[[Item], Result], items: Iterable[Item], chunk: int = 1
) -> Iterator[Result]:
    """`map(work, items)` on the threads that the machine's settings allow; lazy, in order, the same
    results on any number.

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
