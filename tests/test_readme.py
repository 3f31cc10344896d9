"""What the README says must be so."""

import re
from pathlib import Path

import pytest

from fer_cli.results import model_table, with_table
from fer_core.errors import ArtifactError
from fer_core.params import read_params

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_result_table_is_that_of_the_metrics_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    table = model_table(str(read_params()["evaluation"]["compare_set"]))
    assert with_table(README, table, ROOT / "README.md") == README, "run `fer results --into README.md`"


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
    for command in re.findall(r"^fer (\w+)", README, flags=re.M):
        assert command in names, command
