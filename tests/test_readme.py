"""What the README says must be so."""

import re
import subprocess
from pathlib import Path

import pytest

from fer_cli.results import with_table
from fer_cli.results_tables import model_table
from fer_core.errors import ArtifactError
from fer_core.params import read_params

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PREDICTING = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")


def committed(name: str) -> str:
    shown = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    if shown.returncode:
        pytest.skip("not a git checkout with results")
    return shown.stdout


def test_result_table_is_that_of_the_metrics_committed_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the commit, not of the working tree: another machine's run may differ in the last digit."""
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "metrics/leaderboard.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(committed(name), encoding="utf-8")
    table = model_table(str(read_params()["evaluation"]["compare_set"]))
    readme = committed("README.md")
    assert with_table(readme, table, Path("README.md")) == readme, "run `fer results --into README.md`"


def test_missing_marks_are_an_error() -> None:
    with pytest.raises(ArtifactError, match="result marks"):
        with_table("no marks", "table", Path("x.md"))


def test_every_link_into_the_project_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_make_target_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, flags=re.M):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target


def test_every_fer_command_it_names_exists() -> None:
    from fer_cli.main import app

    names = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    for command in re.findall(r"^fer ([\w-]+)", README, flags=re.M):
        assert command in names, command


def test_every_option_of_fer_predict_that_is_named_exists() -> None:
    from typer.main import get_command

    from fer_cli.main import app

    known = {name for parameter in get_command(app).commands["predict"].params for name in parameter.opts}  # type: ignore[attr-defined]
    lines = [line.partition("#")[0] for line in re.findall(r"^fer predict .*", README + PREDICTING, flags=re.M)]
    named = set(re.findall(r"--[a-z][\w-]*", " ".join(lines) + PREDICTING.partition("## How a face")[0]))
    assert {"--detect", "--strict", "--provider"} <= named
    assert named - {"--help"} <= known
