"""`fer gc`: only what nobody needs goes, and only when it is asked."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from fer_cli.main import app

BIN = Path(sys.executable).parent


def run(*command: str) -> None:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    names = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    environment = os.environ | {"PATH": path} | dict.fromkeys(names, "t@t")
    environment.pop("DVC_ROOT", None)
    subprocess.run(command, env=environment, check=True, capture_output=True)


def objects() -> int:
    return sum(path.is_file() for path in Path(".dvc/cache/files").rglob("*"))


def fer(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["gc", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository whose file has had four contents: of a branch, of a tag, of nobody, and now."""
    folder = tmp_path_factory.mktemp("repository")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fill()
        yield folder


def fill() -> None:
    run("git", "init", "-q", "-b", "main")
    run("dvc", "init", "-q")
    for text, kept in (("branch", ["branch", "other"]), ("tag", ["tag", "v1"]), ("nobody", [])):
        Path("file.txt").write_text(text)
        run("dvc", "add", "-q", "file.txt")
        run("git", "add", "-A")
        run("git", "commit", "-qm", text)
        if kept:
            run("git", *kept)
    Path("file.txt").write_text("now")
    run("dvc", "add", "-q", "file.txt")
    run("git", "add", "-A")
    run("git", "commit", "-qm", "now")


@pytest.fixture
def checkout(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to change."""
    shutil.copytree(repository, tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "FER_RUNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def old(folder: Path, days: float) -> Path:
    folder.mkdir(parents=True)
    (folder / "state.pt").write_bytes(b"x" * 1000)
    for path in (folder / "state.pt", folder):
        os.utime(path, (time.time() - 86400 * days,) * 2)
    return folder


def test_what_a_branch_or_tag_needs_stays_and_nothing_goes_unasked(checkout: Path) -> None:
    assert objects() == 4
    text = fer()
    assert "cache: 1 objects" in text and "nothing was removed" in text
    assert objects() == 4
    fer("--yes")
    assert objects() == 3
    for revision, content in (("other", "branch"), ("v1", "tag")):
        run("git", "checkout", "-q", revision)
        run("dvc", "checkout", "-q")
        assert Path("file.txt").read_text() == content


def test_folders_of_trainings_that_stopped_go_once_they_are_old_and_nobody_holds_them(
    checkout: Path,
) -> None:
    stopped = old(checkout / "runs/student/kd-1/aa", 9)
    recent = old(checkout / "runs/student/kd-1/bb", 1)
    held = old(checkout / "runs/student/kd-1/cc", 9)
    experiment = old(checkout / ".dvc/tmp/exps/standalone/tmp1", 9)
    with FileLock(held.with_name("cc.lock")):
        text = fer()
        assert str(stopped) in text and "untouched for 9 days" in text
        assert str(recent) not in text and str(held) not in text
        fer("--yes")
    assert not stopped.exists() and not experiment.exists()
    assert recent.exists() and held.exists()


def test_a_cache_that_others_may_use_is_left_alone(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run("dvc", "config", "--local", "cache.dir", str(tmp_path_factory.mktemp("shared")))
    assert "left alone" in fer("--yes")
    assert objects() == 4
