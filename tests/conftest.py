"""Order of the tests: long files first, so that no process is left alone with one of them at the
end; and a disk that is full.
"""

import os
import resource
import signal
import sys
from collections.abc import Iterator

import pytest

INSTRUCTIONS_WERE_SET = "NPY_DISABLE_CPU_FEATURES" in os.environ

import stages  # noqa: E402  # sets the processor's instructions, before numpy and torch are loaded

# Started in the background of a script, the tests would inherit signals that are ignored, and so would
# every stage that a test starts and stops.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A test that imports a stage would change the instructions of the processes that it starts, but not
# its own: the last bits of their numbers would differ, on some processors and in some orders of the
# tests only. So they are set here for all.
if "numpy" in sys.modules and not INSTRUCTIONS_WERE_SET:
    raise pytest.UsageError(
        "a plugin of pytest has loaded numpy before tests/conftest.py: switch that plugin off with "
        f"-p no:NAME, or set NPY_DISABLE_CPU_FEATURES='{stages.PORTABLE['NPY_DISABLE_CPU_FEATURES']}'"
    )

LONG = (
    "tests/test_pipeline.py",
    "tests/bench/test_walks.py",
    "tests/test_plain_classifier.py",
    "tests/fer_cli/tune/test_command.py",
    "tests/training/test_distributed.py",
    "tests/test_portable_imports.py",
    "tests/training/test_resume.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by place in LONG; all else keeps its order."""
    rank = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(LONG)))


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow past 2,000 bytes: writing more fails as on a full disk, in whatever library
    does it.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)
