"""The releases in `models/` are whole, answer as they were made, and one of them is the ready
network.
"""

from pathlib import Path

import pytest

from fer_core.export.release.release import check_release
from fer_core.predict.ready import ready_model

FOLDERS = sorted(path.parent for path in Path("models").glob("*/provenance.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_release_is_as_it_was_made(folder: Path) -> None:
    check_release(folder)


def test_the_ready_network_is_a_release() -> None:
    assert ready_model().parent.relative_to(Path.cwd()) in FOLDERS
