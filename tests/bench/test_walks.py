"""The three walks: their pages say what their scripts run, and reduced they run to the end."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shipped import ROOT

WALKS = {"photos": "tutorial.md", "sweeps": "sweeps.md", "hostile": "hostile.md"}

WORDS = {
    "photos": ("anywhere between", "stages ran"),
    "hostile": ("of another checkout", "marks of a merge", "cannot be written", "only in case"),
}
"""What a walk must have said; sweeping the sample takes more than a minute, however little it
learns.
"""


def commands_of_page(name: str) -> list[str]:
    text = (ROOT / "docs" / WALKS[name]).read_text()
    return [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()
    ]


def script(name: str) -> Path:
    return ROOT / "bench/walks" / f"{name}.sh"


@pytest.mark.parametrize("name", WALKS)
def test_page_and_script_have_the_same_commands(name: str) -> None:
    """A stub of `step` prints what the script would run."""
    steps = re.findall(r"^step (.*?)(?: \d)?$", script(name).read_text(), re.M)
    done = subprocess.run(
        ["bash", "-c", "\n".join(f"printf '%s\\0' {one}" for one in steps)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\0")[:-1] == commands_of_page(name)


@pytest.mark.parametrize("name", WALKS)
def test_committed_output_is_of_these_commands_and_went_to_its_end(name: str) -> None:
    text = (ROOT / "docs/walks" / f"{name}.txt").read_text()
    assert re.findall(r"^\$ (.*)$", text, re.M) == commands_of_page(name)
    assert re.search(r"^The walk took \d+ minutes and \d+ seconds\.$", text, re.M)
    assert not re.search(r"/(?:root|home|tmp|Users)/", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_reduced_walk_reaches_its_end(name: str, tmp_path: Path) -> None:
    environment = os.environ | {"WALK_PYTHON": sys.executable, "WALK_FOLDER": str(tmp_path)}
    done = subprocess.run(
        ["bash", script(name)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "The walk took" in done.stdout
    for words in WORDS[name]:
        assert words in done.stdout
