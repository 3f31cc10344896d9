"""Work spread over threads or processes whose results come back in order."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import TypeVar

from fer_core.base.settings import load_settings

__all__ = ["DECODING", "ByteBudget", "chunks", "ordered_map", "process_map"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_WORTH_A_PROCESS = 200
_WINDOW_BYTES = 1 << 27


class ByteBudget:
    """Memory that threads share: who wants more than is left waits until others are done.

    Args:
        most: bytes; more than that is given to one thread alone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._changed = Condition()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Context that takes so many bytes; a thread must not ask for more within."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + size <= self._most)
            self._held += size
        try:
            yield
        finally:
            with self._changed:
                self._held -= size
                self._changed.notify_all()


def chunks(
    items: Iterable[Item], most: int, cost: Callable[[Item], int], most_bytes: int
) -> Iterator[tuple[list[Item], int]]:
    """The items in lists of `most`, or fewer where these cost `most_bytes`, and the cost of each
    list; a list holds one item at least.
    """
    part: list[Item] = []
    size = 0
    for item in items:
        part.append(item)
        size += cost(item)
        if len(part) >= most or size >= most_bytes:
            yield part, size
            part, size = [], 0
    if part:
        yield part, size


DECODING = ByteBudget(1 << 29)
"""What decoded pictures may take at once."""


def ordered_map(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    chunk: int = 1,
    cost: Callable[[Item], int] = lambda item: 0,
) -> Iterator[Result]:
    """`map(work, items)` on the threads that the machine's settings allow; lazy, in order, the same
    results on any number. No more than a window of them is in memory, and no more than an eighth of
    a gigabyte by their cost, unless a single one has more.

    Args:
        work: releases the interpreter while it works (OpenCV, zlib, hashlib), else threads are of
            no use.
        items: read only a few chunks ahead.
        chunk: items a thread takes at a time; more for short work.
        cost: bytes of memory that an item and its result take.

    Raises:
        Whatever `work` or `items` raise, at the place of the first item in order that fails.
    """
    threads = load_settings().cpu_threads()

    def run(part: list[Item]) -> list[Result]:
        return [work(item) for item in part]

    pool = ThreadPoolExecutor(threads)
    waiting: deque[tuple[Future[list[Result]], int]] = deque()
    held = 0
    try:
        for part, size in chunks(items, chunk, cost, _WINDOW_BYTES // (2 * threads + 2)):
            while waiting and (len(waiting) >= 2 * threads + 1 or held + size > _WINDOW_BYTES):
                first, freed = waiting.popleft()
                yield from first.result()
                held -= freed
            waiting.append((pool.submit(run, part), size))
            held += size
        while waiting:
            yield from waiting.popleft()[0].result()
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
