"""`fer predict` run in this process, and a folder of small images for it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from fer_cli.predict.command import predict
from tests.exports import Exported, faces


def run(exported: Exported, *arguments: object) -> Result:
    app = typer.Typer()
    app.command()(predict)
    return CliRunner().invoke(
        app, [*map(str, arguments), "--model", str(exported.files["fp32"]), "--threads", "1"]
    )


def write_image(path: Path, image: np.ndarray) -> Path:
    path.write_bytes(
        cv2.imencode(path.suffix.lower(), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name, image in zip(["b.png", "a.png", "more/c.PNG"], faces(3), strict=True):
        write_image(tmp_path / "photos" / name, image)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"
