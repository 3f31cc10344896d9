"""Order of the tests: long files first, so that no process is left alone with one of them at the end."""

import pytest

LONG = ("tests/test_pipeline.py", "tests/learning/test_distributed.py", "tests/learning/test_resume.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by place in LONG; all else keeps its order."""
    rank = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(LONG)))
