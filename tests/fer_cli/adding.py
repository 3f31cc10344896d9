"""The command `fer data` as a function, and what it left."""

from pathlib import Path

from typer.testing import CliRunner

from fer_cli.data.commands import app
from fer_core.dataset.cleaning.cleaning import clean
from fer_core.dataset.store.store import FaceStore
from tests.sources.trees import clean_options


def fer(*arguments: object) -> str:
    """What the command prints; its errors are raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def faces(data_project: Path, name: str) -> int:
    """Number of faces that a data set is cleaned to."""
    store = data_project / "data/clean" / f"{name}.arrow"
    clean(data_project / f"data/sources/{name}.json", store, clean_options(), data_project / "raw")
    return len(FaceStore.open(store))


def texts(data_project: Path) -> dict[str, str]:
    """All descriptors."""
    return {file.stem: file.read_text() for file in (data_project / "data/sources").glob("*.json")}
