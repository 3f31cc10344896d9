"""docs/original.md: no empty cell, and every path in it leads somewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/original.md").read_text(encoding="utf-8")


def test_every_part_has_a_place_and_a_proof() -> None:
    rows = [line.strip("|").split("|") for line in TEXT.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 44
    for row in rows:
        assert len(row) == 3 and all(cell.strip() for cell in row), row
        assert re.search(r"`(tests|bench)/", row[2]), row[2]


def test_every_path_exists() -> None:
    for path in re.findall(r"`((?:tests|bench|fer_core|profiles|docs)/[\w./-]+)`", TEXT):
        assert (ROOT / path).exists(), path
