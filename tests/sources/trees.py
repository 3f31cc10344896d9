"""Raw data sets typed by hand after the official descriptions, with tiny pictures."""

import csv
import zipfile
from pathlib import Path

import cv2
import numpy as np

from fer_core.sources.catalogue.faces import Exclusion, Face
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.tree import open_tree
from fer_core.sources.reading.reader import Reader

FERPLUS_HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
)


def clean_options(**changes: object) -> CleanOptions:
    values = {
        "allow_undecodable": 0,
        "max_pixels": 1_000_000,
    }
    return CleanOptions.model_validate(values | changes)


def picture(seed: int, height: int = 20, width: int = 20, channels: int = 3) -> np.ndarray:
    """A smooth random picture, uint8 BGR or grey."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, channels), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def encoded(image: np.ndarray, suffix: str = ".png") -> bytes:
    done, data = cv2.imencode(suffix, image)
    assert done
    return data.tobytes()


def put(path: Path, seed: int = 0, **size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(picture(seed, **size), path.suffix))
    return path


def fer2013_rows(labels: list[tuple[int, str]]) -> list[list[str]]:
    rows = []
    for seed, (label, usage) in enumerate(labels):
        pixels = picture(seed, 48, 48, 1).ravel()
        rows.append([str(label), " ".join(map(str, pixels)), usage])
    return rows


def fer2013_csv(path: Path, rows: list[list[str]], header: str = "emotion,pixels,Usage") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        stream.write(header + "\n")
        csv.writer(stream, lineterminator="\n").writerows(rows)
    return path


def ferplus_csv(path: Path, lines: list[str], header: str = FERPLUS_HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def rafdb(
    root: Path, listed: list[str], folder: str = "aligned/aligned", suffix: str = "_aligned"
) -> Path:
    """Label list and one picture for each line."""
    (root / "EmoLabel").mkdir(parents=True, exist_ok=True)
    (root / "EmoLabel/list_patition_label.txt").write_text("\n".join(listed) + "\n")
    for seed, line in enumerate(listed):
        name = Path(line.split()[0])
        put(root / "Image" / folder / f"{name.stem}{suffix}{name.suffix}", seed)
    return root


def expw(root: Path, listed: list[str], folder: str = "image/origin") -> Path:
    """Label list and one photo, 60 rows x 80 columns, for each name."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "label.lst").write_text("\n".join(listed) + "\n")
    for seed, name in enumerate(dict.fromkeys(line.split()[0] for line in listed)):
        put(root / folder / name, seed, height=60, width=80)
    return root


def read(
    reader: Reader, root: Path, source: str = "set", **changes: object
) -> tuple[list[Face], list[Exclusion]]:
    """All faces and exclusions of a tree, after checking that they add up to what was announced."""
    options = clean_options(**changes)
    tree = open_tree(root)
    items = list(reader.scan(tree, source, options))
    announced = reader.announce(tree, options)
    assert sum(sum(words.values()) for words in announced.values()) == len(items)
    return [item for item in items if isinstance(item, Face)], [
        item for item in items if isinstance(item, Exclusion)
    ]


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    """A zip archive with these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
