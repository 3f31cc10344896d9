"""Drawing spread over processes: it is Python work, which threads cannot share."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from fer_core.base.settings import load_settings

__all__ = ["drawn"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_WORTH_A_PROCESS = 200


def drawn(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """`map(work, items)` on the processes that the machine's settings allow; in order, the same
    results on any number.

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
