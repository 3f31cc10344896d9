"""What holds for every parser, whatever it is fed: at most 2 GB and 5 s.

FER_TEST_FUZZ_EXAMPLES sets how many examples each fuzz test tries.
"""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, settings

__all__ = ["bounded", "fuzz"]

SECONDS, KILOBYTES = 5, 2_000_000

fuzz = settings(
    max_examples=int(os.environ.get("FER_TEST_FUZZ_EXAMPLES", "50")),
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@contextmanager
def bounded() -> Iterator[None]:
    """Fail where the block takes longer or makes the process larger than that."""
    start, before = time.process_time(), _peak()
    try:
        yield
    finally:
        assert time.process_time() - start < SECONDS
        assert _peak() - before < KILOBYTES


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
