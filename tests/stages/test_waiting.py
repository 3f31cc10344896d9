"""How OpenMP's threads wait in a stage: as the package says, unless the user said otherwise."""

import os
import platform
import subprocess
import sys

import pytest

from stages import SPINS


@pytest.mark.parametrize(
    ("told", "expected"),
    [({}, SPINS), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "passive"}, "0")],
)
@pytest.mark.skipif(
    platform.system() != "Linux",
    reason="GOMP_SPINCOUNT is read by libgomp, which torch brings on Linux",
)
def test_openmp_itself_says_how_long_it_spins(told: dict[str, str], expected: str) -> None:
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    environment = kept | told | {"OMP_DISPLAY_ENV": "verbose"}
    done = subprocess.run(
        [sys.executable, "-c", "import stages, torch"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{expected}'" in done.stderr
