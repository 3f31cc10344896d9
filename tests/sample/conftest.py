from pathlib import Path

import pytest

from fer_core.sample.options import SampleOptions
from fer_core.sample.render import LAYOUTS, render

OPTIONS = SampleOptions(
    seed=5, faces=120, test_share=0.2, duplicates=3, contradictions=4, non_faces=5, label_noise=0.05
)


@pytest.fixture(scope="session")
def options() -> SampleOptions:
    return OPTIONS


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Layout to the root of its rendered sample."""
    base = tmp_path_factory.mktemp("sample")
    for layout in LAYOUTS:
        render(layout, base / layout, OPTIONS)
    return {layout: base / layout for layout in LAYOUTS}
