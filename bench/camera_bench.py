"""Networks before a camera in good and in poor light, on val faces.

Run: python -m bench.camera_bench PACK NAME=FILE.onnx[@SIDE]... --page PAGE.md
(minutes of one core)

PACK is `data/pack/dev` of a run, whose val rows are shown: enlarged to 150 pixels, a little moved
and zoomed, and cut out where they would be unmoved. With @SIDE a network is given faces that were
reduced to SIDE pixels, such as it learned from. No test row is looked at, so that a network may be
chosen by it.
"""

import re
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bench.fer2013_project import PageFile, write_page
from bench.peers.scores import Scores, answers_of, scores_of
from bench.poor_camera import FACE, POOR, SEED, Light, face_in, seen
from fer_core.dataset.pack.pack import Pack
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.opencv import cv2
from fer_core.predict.predictor import Predictor

LIGHTS = {
    "good light": Light(),
    "out of focus": Light(blur=POOR.blur),
    "dark, with a colour cast": Light(gamma=POOR.gamma, colours=POOR.colours),
    "noise": Light(noise=POOR.noise),
    "all of these": POOR,
}


def main(
    pack: Annotated[Path, typer.Argument(help="`data/pack/dev` of a run.")],
    networks: Annotated[list[str], typer.Argument(help="NAME=FILE.onnx[@SIDE].")],
    page: PageFile,
) -> None:
    """Show the val faces of a pack, and write what each network makes of them."""
    faces = Pack.open(pack)
    rows = faces.rows.split("val")
    labels = faces.rows.labels[rows].astype(np.int64)
    pictures = [decode_rgb(faces.image(int(row)), str(row)) for row in rows]
    shown = {"as they are": pictures} | {
        name: _before_camera(pictures, light) for name, light in LIGHTS.items()
    }
    scores: dict[str, dict[str, Scores]] = {}
    for network in networks:
        name, file, side = _named(network)
        predictor = Predictor(file, threads=1)
        scores[name] = {
            place: scores_of(
                [answers_of(predictor, reduced(images, side), name)], labels, np.arange(len(labels))
            )
            for place, images in shown.items()
        }
    write_page(
        page, "camera.md.j2", None, scores=scores, shown=list(shown), faces=len(rows), poor=POOR
    )
    typer.echo(f"wrote {page}")


def reduced(faces: list[np.ndarray], side: int | None) -> list[np.ndarray]:
    """Faces of at most `side` pixels, by the mean over areas; None leaves them."""
    if side is None:
        return faces
    return [
        face
        if min(face.shape[:2]) <= side
        else cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        for face in faces
    ]


def _named(network: str) -> tuple[str, Path, int | None]:
    """Name, file and side of NAME=FILE.onnx[@SIDE]."""
    found = re.fullmatch(r"([^=]+)=(.+\.onnx)(?:@([1-9]\d*))?", network)
    if found is None:
        raise typer.BadParameter(f"{network!r} is not NAME=FILE.onnx[@SIDE].")
    return found[1], Path(found[2]), int(found[3]) if found[3] else None


def _before_camera(pictures: list[np.ndarray], light: Light) -> list[np.ndarray]:
    """Each picture once before a camera; the same places in every light."""
    rng, found = np.random.default_rng(SEED), []
    for number, picture in enumerate(pictures):
        place = rng.normal(0, (3.0, 3.0, 2.0))
        face = cv2.resize(picture, (FACE, FACE))
        found.append(face_in(seen(face, place, np.random.default_rng([SEED, number]), light)))
    return found


if __name__ == "__main__":
    typer.run(main)
