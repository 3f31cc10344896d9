"""The page of the peers benchmark: ratios, whether ours is first, the command, and no folder of
this machine.
"""

import argparse
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.peers.networks import PEERS
from bench.peers.page import Page, command_of, page_of, with_ratios
from bench.peers.scores import Scores
from bench.peers.sets import CELLS


def timed() -> pd.DataFrame:
    facts = {
        "precision": "fp32",
        "provider": "CPU",
        "scope": "model",
        "batch": 1,
        "threads": 1,
        "rounds": 10,
        "calls": 1000,
    }
    facts |= {
        "p50_ms": 1.0,
        "p90_ms": 2.0,
        "p99_ms": 3.0,
        "cpu": "Some CPU",
        "cores": 2,
        "load_average": 0.5,
        "onnxruntime": "9.9",
    }
    lines = [("a", 112, 2.0, 0.5), ("reference", 112, 4.0, 1.0), ("reference", 96, 8.0, 1.0)]
    return pd.DataFrame(
        [
            facts
            | {
                "model": model,
                "size": size,
                "best_p50_ms": best,
                "ratio_to_reference": ratio,
                "pinned": True,
            }
            for model, size, best, ratio in lines
        ]
    )


def test_ratio_to_the_plain_export_of_96_px_is_of_the_same_work() -> None:
    other = timed().assign(threads=2, best_p50_ms=[3.0, 5.0, 12.0])
    found = with_ratios(pd.concat([timed(), other], ignore_index=True))
    assert found[found["model"] == "a"].set_index("threads")["ratio_to_goal"].to_dict() == {
        1: 0.25,
        2: 0.25,
    }
    assert with_ratios(timed().query("size != 96"))["ratio_to_goal"].isna().all()


def scores(accuracy: float, ece: float = 0.1, found: float = 1.0, parts: int = 1) -> Scores:
    values = {"ece": ece, "nll": 1.0, "accuracy": accuracy, "macro_f1": accuracy - 0.1}
    drawn = np.array([[accuracy, accuracy - 0.1, ece]] * 9) + np.linspace(-0.1, 0.1, 9)[:, None]
    return Scores(200, found, values, np.stack([drawn] * parts), [accuracy] * parts)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    (file := tmp_path / "a b.onnx").write_bytes(b"x")
    options = argparse.Namespace(
        fer2013=tmp_path / "fer2013.csv.gz",
        peers=tmp_path,
        ours=[file],
        usage="PublicTest",
        expressions=None,
        no_latency=False,
        work=tmp_path / "work",
        out=tmp_path / "peers.md",
    )
    tests: dict[str, Any] = {
        "fer2013": {"a": scores(0.75), "b": scores(0.7, ece=0.05)},
        "clean": {"a": scores(0.8), "b": scores(0.6)},
        "corrupted": {"a": scores(0.4, parts=len(CELLS)), "b": scores(0.45, parts=len(CELLS))},
    }
    return Page(
        scores=tests,
        ours=["a"],
        cuts={"a": "square", "b": "haar"},
        files={"a": file, "b": file},
        absent=[PEERS[-1]],
        usage="PublicTest",
        seen=np.array([True, False, False]),
        timed=with_ratios(timed()),
        command=command_of(options),
    )


def test_the_page_names_files_and_command_and_no_folder_of_this_machine(
    page: Page, tmp_path: Path
) -> None:
    text = page_of(page)
    assert f"--peers {tmp_path.name} --ours 'a b.onnx' --usage PublicTest --out peers.md" in text
    assert str(tmp_path.parent) not in text and not re.search(r"[{}]|\bnan\b", text)
    assert "Faces: 3 rows of PublicTest of FER2013; 200 of them corrupted in 13 ways" in text
    assert "2 of the 3 rows of PublicTest of FER2013 have no twin" in text
    assert "| a | 0.750 / 0.650 / 0.100 | 0.400 / 0.300 / 0.100 |" in text
    assert f"`{PEERS[-1].file}` is not there" in text and "- **macro-F1**:" in text
    assert (
        "On 2 cores of Some CPU, onnxruntime 9.9, load 0.5" in text
        and "1,000 calls in 10 rounds for batches of 1" in text
    )
    assert "| network: 1, 1 | to plain, same px | to plain, 96 px |" in text
    assert "| a | 112 | CPU | 1.00 | 0.5 | 0.25 |" in text


def test_every_table_has_as_many_cells_in_each_line(page: Page) -> None:
    lines = page_of(page).splitlines()
    for above, line in pairwise(lines):
        if above.startswith("|") and line.startswith("|"):
            assert above.count("|") == line.count("|"), line


def test_where_ours_is_not_first_the_page_says_by_how_much(page: Page) -> None:
    text = page_of(page)
    assert "first in 2 of 6" in text
    assert "| accuracy, FER2013 | 0.750 | 0.700: b | +0.050 (+0.050 to +0.050) | yes |" in text
    assert "| ECE, FER2013 | 0.100 | 0.050: b | +0.050 (+0.050 to +0.050) | no, by 0.050 |" in text
    assert "| accuracy, corrupted, mean | 0.400 | 0.450: b |" in text
    assert "| a | 0.800 (0.705–0.895) | 0.400 (0.305–0.495) | 0.50 |" in text


def test_without_times_or_ours_the_page_leaves_their_parts_out(page: Page) -> None:
    text = page_of(Page(**(vars(page) | {"timed": None, "ours": []})))
    assert "## Latency" not in text and "Is ours first" not in text
    assert "| network | accuracy (95 % CI) | macro-F1 (95 % CI) | ECE (95 % CI) | NLL |\n" in text


def test_the_second_domain_says_how_faces_were_cut_out(page: Page) -> None:
    more = {"domain": page.scores["fer2013"], "end_to_end": {"a": scores(0.5, found=0.9)}}
    more["end_to_end"]["b"] = scores(0.4, found=0.8)
    text = page_of(Page(**(vars(page) | {"scores": page.scores | more})))
    assert "| a | 180 |" in text and "| b | 160 |" in text
    assert "- b: OpenCV's frontal Haar cascade" in text and "first in" in text
