import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fer_core.pixels.parallel import ByteBudget, chunks, ordered_map


@pytest.mark.parametrize(("threads", "chunk"), [("1", 1), ("3", 1), ("4", 7)])
def test_results_come_in_order_on_any_number_of_threads(monkeypatch, threads, chunk):
    monkeypatch.setenv("FER_THREADS", threads)

    def work(n: int) -> int:
        time.sleep(0.002 if n % 5 == 0 else 0)
        return n * n

    assert list(ordered_map(work, range(100), chunk)) == [n * n for n in range(100)]


def test_items_are_read_only_a_window_ahead(monkeypatch):
    monkeypatch.setenv("FER_THREADS", "2")
    read: list[int] = []
    results = ordered_map(lambda n: n, (read.append(n) or n for n in range(10_000)), chunk=4)
    assert next(results) == 0
    assert len(read) <= 4 * 8
    results.close()


def test_error_comes_at_its_place(monkeypatch):
    monkeypatch.setenv("FER_THREADS", "2")

    def work(n: int) -> int:
        if n == 50:
            raise KeyError(n)
        return n

    seen = []
    with pytest.raises(KeyError):
        for n in ordered_map(work, range(100)):
            seen.append(n)  # noqa: PERF402
    assert seen == list(range(50))


def test_what_is_read_ahead_is_bounded_by_bytes(monkeypatch):
    monkeypatch.setenv("FER_THREADS", "8")
    read: list[int] = []
    items = (read.append(n) or n for n in range(200))
    results = ordered_map(lambda n: n, items, chunk=16, cost=lambda n: 20_000_000)
    assert next(results) == 0
    assert len(read) <= 15, "not 8 x 2 x 16 of 20 MB each"
    assert list(results) == list(range(1, 200))


def test_chunks_end_by_number_or_by_bytes():
    found = list(chunks([1, 1, 1, 9, 1, 20, 1], 3, lambda n: n, 10))
    assert found == [([1, 1, 1], 3), ([9, 1], 10), ([20], 20), ([1], 1)]


def test_a_budget_makes_threads_wait_and_lets_one_alone_have_more():
    budget, held, most = ByteBudget(100), [0], [0]

    def work(size: int) -> None:
        with budget.hold(size):
            held[0] += size
            most[0] = max(most[0], held[0])
            time.sleep(0.001)
            held[0] -= size

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [40] * 40))
        assert most[0] == 80
        list(pool.map(work, [500, 40, 500, 40]))
    assert most[0] == 500
