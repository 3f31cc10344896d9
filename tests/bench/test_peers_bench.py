"""The peers benchmark from its command on: what is absent or no network has a name, and a whole run
on a few faces.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from bench.peers.networks import PEERS
from bench.peers_bench import main, ready_files
from tests.bench.peers.test_networks import network


def run(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["peers_bench", *map(str, words)])
    main()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = [" ".join(map(str, rng.integers(0, 256, 2304))) for _ in range(14)]
    lines = [f"{i % 7},{row},PublicTest\n" for i, row in enumerate(rows)]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "".join(lines))
    return tmp_path / "fer2013.csv"


def test_a_folder_without_peers_is_refused(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="There is no peer in"):
        run(monkeypatch, "--fer2013", table, "--peers", tmp_path)


def test_absent_data_and_files_that_are_no_networks_are_named(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / PEERS[0].file
    network(place, 7)
    with pytest.raises(SystemExit, match=r"(?s)nothing at this path.*none"):
        run(monkeypatch, "--fer2013", tmp_path / "none/a.csv", "--peers", tmp_path)
    with pytest.raises(SystemExit, match=r"(?s)nothing at this path.*nowhere"):
        words = ["--fer2013", table, "--peers", tmp_path, "--expressions", tmp_path / "nowhere"]
        run(monkeypatch, *words)
    network(place, 6)
    with pytest.raises(SystemExit, match="not its seven classes"):
        run(monkeypatch, "--fer2013", table, "--peers", tmp_path, "--no-latency")


@pytest.mark.skipif(not ready_files(), reason="there is no ready network in models/")
def test_a_whole_run_writes_the_page_and_keeps_answers(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.peers_bench._CORRUPTED", 7)
    monkeypatch.setattr("bench.peers.scores._RESAMPLES", 20)
    network(tmp_path / PEERS[0].file, 7)
    words = ["--fer2013", table, "--peers", tmp_path, "--no-latency", "--work", tmp_path / "work"]
    run(monkeypatch, *words, "--out", tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "ours: student.fp32, resnet9" in page and "ours: student.int8" in page
    assert PEERS[0].what in page and "Is ours first?" in page and "## Latency" not in page
    kept = sorted((tmp_path / "work").iterdir())
    assert len(kept) == 2 * (len(ready_files()) + 1)

    def never(*_: object) -> np.ndarray:
        raise AssertionError("asked again")

    monkeypatch.setattr("bench.peers_bench.answers_of", never)
    run(monkeypatch, *words, "--out", tmp_path / "again.md")
    again = (tmp_path / "again.md").read_text()
    assert again.replace("again.md", "page.md") == page
