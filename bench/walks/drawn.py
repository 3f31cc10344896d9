"""Photos for a walk without photos: drawn people, one a picture, in a folder for each expression.

Run: python -m bench.walks.drawn FOLDER [--each 12]
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from fer_core.base.labels import CLASSES
from fer_core.pixels.opencv import cv2
from fer_core.sample.portrait import shoot

SIDE, HEIGHT, WIDTH = 150, 300, 400


def main(
    folder: Path, each: Annotated[int, typer.Option(help="photos of each expression")] = 12
) -> None:
    """Draw the photos, and say in subjects.csv who is on each: every person is on two."""
    lines = ["file,subject"]
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            face = shoot(label * each + number, "walk", 0, label, 300, 2, freedom=0.3)[0]
            picture = np.full((HEIGHT, WIDTH, 3), 90 + number, np.uint8)
            left = 20 + number * 7
            picture[70 : 70 + SIDE, left : left + SIDE] = cv2.resize(face, (SIDE, SIDE))
            cv2.imwrite(str(folder / name / f"{number:02d}.png"), picture)
            lines.append(f"{name}/{number:02d}.png,person {label}-{number // 2}")
    (folder / "subjects.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
