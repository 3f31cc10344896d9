"""A teacher from elsewhere in report and results: what is stated of it, and whose scores are in
doubt.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fer_cli.results.pages import distillation_page, results_page
from fer_cli.results.tables import model_table
from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_file, write_json
from fer_core.base.params import read_params
from fer_core.outside.described.description import OUTSIDE, OutsideTeacher, write_outside
from stages import report
from tests.outside.peers import network_entry, parsed
from tests.report.conftest import STUDENTS
from tests.report.reading import Page
from tests.shipped import write_params

TAG = "tiny_effnet"
STATED = {"trained_on": ["FER2013, all of it", "photos | of others"]}


def make_outside(project: Path, overlap: Any, sha256: str = f"weights of {TAG}") -> None:
    """The run as if one teacher were from elsewhere and kd students had its soft labels."""
    entry = network_entry("peers/face.onnx", 48, overlap=overlap, **STATED)
    params = read_params()
    params["teachers"][TAG] = entry
    write_params(Path("params.yaml"), params)
    folder = Path("data/teachers") / TAG
    write_outside(folder / OUTSIDE, OutsideTeacher(TAG, parsed(entry), sha256))
    targets = sha256_file(Path("data/softlabels/softlabels.npz"))
    for key in STUDENTS:
        taught = key.startswith("kd")
        card = {
            "weights_sha256": f"weights of {key}",
            "init_sha256": "b" * 64,
            "targets_sha256": targets if taught else None,
            "params": {"method": key.partition("-")[0]},
        }
        write_json(Path(f"data/students/{key}/model/model.json"), card)


def marks(set_name: str) -> dict[str, str]:
    board = pd.read_csv("metrics/leaderboard.csv", keep_default_na=False)
    lines = board[(board["set"] == set_name) & board["calibrated"]]
    return dict(zip(lines["entry"], lines["overlap"], strict=True))


def test_scores_that_it_had_a_part_in_are_marked(project: Path) -> None:
    make_outside(project, {"rafdb_basic": "part", "large": "none"})
    report.main()
    found = marks("everything")
    assert {found[key] for key in (TAG, "ensemble", "uniform", "per_class", "kd-1")} == {"part"}
    assert {found[key] for key in ("tiny_resnet", "ce-1", "ce-2")} == {""}
    assert marks("large")["kd-1"] == "none", "what is stated of a named set counts alone"
    page = Page(Path("data/report/index.html"))
    teachers = page.section("teachers")
    row = page.row("Teachers from elsewhere", TAG, teachers)
    assert row["trained on"] == "FER2013, all of it; photos | of others"
    assert row["overlap with test rows"] == "rafdb_basic: part; large: none"
    board = page.section("leaderboard")
    assert "Possibly contaminated on everything: some of these faces were learned" in board.text
    assert "learned by tiny_effnet, from elsewhere" in board.text
    assert "contaminated on large" not in board.text
    firsts = [next(iter(row.values())) for row in page.table("everything", board)]
    assert any(first.startswith("kd-1†") for first in firsts)
    assert not any("†" in first for first in firsts if first.startswith("ce-"))
    assert page.row("Mean over seeds", "kd†", page.section("methods"))
    assert "every lead of these methods" in page.section("methods").text
    assert "Possibly contaminated" in page.top()
    assert TAG not in str(page.section("training"))

    table = model_table("everything")
    assert "| kd, 2 seeds† |" in table and "| ce, 2 seeds |" in table
    assert "† Possibly contaminated" in table
    assert "†" not in model_table("large")
    page = results_page("x", Path("x.md"))[Path("x.md")]
    for text in (page, distillation_page("x", None)):
        assert "| FER2013, all of it; photos / of others |" in text and "ontaminated" in text


def test_overlap_that_nobody_knows_is_doubt_too_and_none_is_none(project: Path) -> None:
    make_outside(project, "unknown")
    report.main()
    assert marks("large")["kd-1"] == "unknown"
    page = Page(Path("data/report/index.html"))
    assert (
        "nobody knows whether these faces were learned by tiny_effnet"
        in page.section("leaderboard").text
    )
    make_outside(project, "none")
    report.main()
    page = Page(Path("data/report/index.html"))
    assert "ontaminated" not in page.text and "†" not in page.text
    assert "it is stated that no test face was learned" in page.top()
    assert page.row("Teachers from elsewhere", TAG)["overlap with test rows"] == (
        "all test rows: none"
    )


def test_another_file_than_that_of_the_logits_is_refused(project: Path) -> None:
    make_outside(project, "none", sha256="another")
    with pytest.raises(ArtifactError, match=f"file of {TAG} and its logits"):
        report.main()


def test_without_such_teachers_nothing_is_said_of_them(project: Path) -> None:
    report.main()
    assert "overlap" not in pd.read_csv("metrics/leaderboard.csv").columns
    assert "elsewhere" not in Page(Path("data/report/index.html")).section("teachers").text
