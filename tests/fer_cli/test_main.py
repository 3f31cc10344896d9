"""The command as a whole: its help, and what it says of commands and libraries that are not
there.
"""

import re

import pytest
from typer.testing import CliRunner

from fer_cli import main
from fer_cli.main import COMMANDS, app


def test_help_names_every_command_with_what_it_does() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    for name in COMMANDS:
        assert re.search(rf"^\W*{name}  +\S+ \S+", text, flags=re.M), name


def test_help_of_run_names_the_stages_it_takes() -> None:
    text = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    assert "STAGES" in text.upper() and "student@kd-1337" in text and "--jobs" in text


def test_an_unknown_command_is_told() -> None:
    result = CliRunner().invoke(app, ["rnu"])
    assert result.exit_code == 2 and "rnu" in result.output


def test_a_library_that_is_missing_is_told_and_a_fault_of_ours_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(error: Exception) -> None:
        raise error

    monkeypatch.setattr(main, "app", lambda: fail(ImportError("libGL.so.1 is missing", name="cv2")))
    with pytest.raises(SystemExit):
        main.main()
    said = capsys.readouterr().err
    assert "libGL.so.1 is missing" in said and "fer doctor" in said
    monkeypatch.setattr(
        main, "app", lambda: fail(ImportError("no name in it", name="fer_core.base.files"))
    )
    with pytest.raises(ImportError):
        main.main()


def test_a_command_whose_libraries_are_missing_is_in_the_help_and_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = main.import_module

    def without_run(name: str) -> object:
        if name == "fer_cli.run":
            raise ImportError("No module named 'dvc'", name="dvc")
        return loaded(name)

    monkeypatch.setattr(main, "import_module", without_run)
    runner = CliRunner()
    assert "extra" in runner.invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    result = runner.invoke(app, ["run", "--jobs", "2", "student"])
    assert isinstance(result.exception, ImportError)
