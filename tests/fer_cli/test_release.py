import re
import subprocess
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from fer_cli.release import _committed, _up_to_date, release
from fer_core.base.errors import DataError
from fer_core.pipeline.checkout import workspace
from fer_core.pipeline.running import plan


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with a committed params.yaml, as working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "a")
        monkeypatch.setenv(f"{name}_EMAIL", "a@example.org")
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run(["git", *arguments], check=True)
    return tmp_path


def test_a_committed_run_has_its_commit(project: Path) -> None:
    assert len(_committed()) == 40
    (project / "notes.txt").write_text("not part of the run")
    assert len(_committed()) == 40


@pytest.mark.parametrize("name", ["params.yaml", "dvc.lock"])
def test_a_run_that_is_not_committed_is_refused(project: Path, name: str) -> None:
    (project / name).write_text("seed: 2\n")
    with pytest.raises(DataError, match=rf"committed run(?s:.*){re.escape(name)}"):
        _committed()


def test_outside_git_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(DataError, match="of a commit"):
        _committed()


def test_a_run_that_is_not_up_to_date_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs: dict[str, set[str]] = {"onnx": {"params"}, "student@kd-1": {"code"}}
    monkeypatch.setattr(workspace, "open_workspace", lambda **_: nullcontext())
    monkeypatch.setattr(plan, "make_plan", lambda *_: SimpleNamespace(needs=needs))
    with pytest.raises(DataError, match=r"(?s)not up to date.*onnx, student@kd-1.*fer run"):
        _up_to_date()
    needs.clear()
    _up_to_date()


def test_a_release_of_that_name_is_not_replaced_unasked(project: Path) -> None:
    folder = Path("models/fer2013")
    folder.mkdir(parents=True)
    (folder / "student.int8.onnx").write_text("mine")
    with pytest.raises(DataError, match=r"(?s)There is a release.*--replace"):
        release("fer2013")
    assert [path.name for path in folder.iterdir()] == ["student.int8.onnx"]


@pytest.mark.parametrize("name", [None, "../elsewhere", "a b", ""])
def test_a_name_that_is_no_name_is_refused(name: str | None) -> None:
    with pytest.raises(DataError, match="needs a name"):
        release(name, check=False)
