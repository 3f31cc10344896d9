"""Which labels are hidden follows from the table alone, whatever process asks."""

import csv
from pathlib import Path

import numpy as np

from bench.hidden_labels_bench import _lay_raw


def test_every_class_keeps_its_share_and_the_others_become_pictures(tmp_path: Path) -> None:
    random, table = np.random.default_rng(0), tmp_path / "fer2013.csv"
    rows = [
        {
            "emotion": number % 7,
            "pixels": " ".join(map(str, random.integers(0, 256, 48 * 48))),
            "Usage": "Training" if number < 70 else "PublicTest",
        }
        for number in range(84)
    ]
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["emotion", "pixels", "Usage"])
        writer.writeheader()
        writer.writerows(rows)
    hidden = _lay_raw(table, tmp_path / "raw", 0.2)
    assert {file.name for file in (tmp_path / "raw/hidden").iterdir()} == set(hidden)
    assert all(label == int(name[:5]) % 7 for name, label in hidden.items())
    assert np.bincount(list(hidden.values())).tolist() == [8] * 7
    assert sorted(hidden)[:4] == ["00000.png", "00001.png", "00002.png", "00003.png"]
    with (tmp_path / "raw/known/fer2013.csv").open(newline="") as stream:
        known = list(csv.DictReader(stream))
    assert len(known) == 14 + 14 and known[-1]["Usage"] == "PublicTest"
    assert _lay_raw(table, tmp_path / "raw", 0.2) == hidden
