"""What changed since the last commit, and that the page without it does not depend on git."""

import subprocess
from pathlib import Path

import pytest

from fer_cli.report import report as fer_report
from fer_core.base.files import read_json, write_json
from fer_core.report.facts.change import committed_summary
from stages import report
from tests.report.reading import Page

INDEX, SUMMARY = Path("data/report/index.html"), Path("metrics/summary.json")
PANEL = "Changed since the last commit"


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def here() -> Page:
    fer_report(Path("build/report"))
    return Page(Path("build/report/index.html"))


@pytest.fixture
def committed(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose commit holds the summary of a run."""
    monkeypatch.setenv("DVC_ROOT", str(project))
    report.main()
    git("init", "-q")
    git("add", "metrics")
    git("commit", "-qm", "results")
    return project


def test_outside_git_and_without_a_committed_summary_nothing_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert committed_summary(project) is None
    report.main()
    assert PANEL not in here().text and not here().soup.find(class_="changed")
    git("init", "-q")
    assert committed_summary(project) is None
    git("add", "params.yaml")
    git("commit", "-qm", "no results")
    assert committed_summary(project) is None


def test_a_run_is_shown_beside_the_committed_one(committed: Path) -> None:
    rows = here().table(PANEL)
    assert {row["change"] for row in rows} == {"same"}
    values = read_json(SUMMARY)
    now = values["everything"]["kd-1"]["macro_f1"]
    values["everything"]["kd-1"] |= {"macro_f1": now - 0.25, "ece_scaled": 0.0}
    del values["everything"]["ensemble"]
    values["data"]["rows_train"] = 10
    write_json(SUMMARY, values)
    git("commit", "-qam", "other results")
    page = here()
    row = page.row(PANEL, "kd-1: macro-F1")
    assert (row["then"], row["now"], row["change"]) == (
        f"{now - 0.25:.3f}",
        f"{now:.3f}",
        "+0.250",
    )
    assert page.row(PANEL, "ensemble: accuracy")["change"] == "new"
    assert page.row(PANEL, "train faces")["change"] == "+50"
    panel = page.soup.find("section", class_="changed")
    assert panel is not None
    assert [cell.get_text() for cell in panel.find_all(class_="better")] == ["+0.250"]
    assert git("rev-parse", "--short", "HEAD") in page.text


def test_the_tracked_page_is_the_same_at_every_commit_and_on_every_machine(
    committed: Path,
) -> None:
    def tracked() -> bytes:
        report.main()
        return INDEX.read_bytes()

    before = tracked()
    values = read_json(SUMMARY)
    values["everything"]["kd-1"]["macro_f1"] = 0.1
    write_json(SUMMARY, values)
    git("commit", "-qam", "other results")
    for file in (Path("metrics/latencybenchmarks.csv"), *Path("data").glob("*/**/log/*")):
        file.unlink()
    assert tracked() == before
    assert "fer report" in Page(INDEX).text
