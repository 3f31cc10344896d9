"""The seven data sets of the replaced system's protocol as trees of drawn faces: official layouts,
official counts.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bench.scale_bench import QUALITY, SIDE, encoded
from fer_core.base.labels import CLASSES, INDEX
from fer_core.pixels.opencv import cv2
from fer_core.sources.catalogue.official_counts import OFFICIAL, OFFICIAL_SPLITS
from fer_core.sources.layouts.rafml import EMOTIONS

__all__ = ["EXPW_HQ", "FOLDERS", "render_trees"]

FOLDERS = {
    "fer2013_uniform_7": OFFICIAL_SPLITS["folder7"][0].splits,
    "affectnet_full_balanced": OFFICIAL_SPLITS["folder7"][1].splits,
    "ferplus_folders": OFFICIAL_SPLITS["folder7"][2].splits,
}
EXPW_HQ = 33_375
"""Faces of ExpW whose detector was at least 60 sure."""
_SMALL, _SMALL_SIDE = ("fer2013_uniform_7", "ferplus_folders"), 48
"""Data sets whose pictures are of FER2013's size, so that stage B leaves them out."""
_RAF_IDS = ("Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry", "Neutral")
_PHOTO = 3
"""At most so many faces in a photo of ExpW."""


def render_trees(raw: Path, share: float) -> int:
    """Write all trees into a folder; returns the number of faces.

    Args:
        raw: folder of the trees, each named as its data set.
        share: of the official numbers; 1 for all.
    """
    files = [
        *chain.from_iterable(
            _folder7(raw / name, splits, share) for name, splits in FOLDERS.items()
        ),
        *_rafdb_basic(raw / "rafdb_basic", share),
        *_rafdb_compound(raw / "rafdb_compound_mapped", share),
        *_rafml(raw / "rafml_argmax", share),
    ]
    photos = _expw(raw / "expw", share)
    for folder in {path.parent for path in files} | {path.parent for path, _ in photos}:
        folder.mkdir(parents=True, exist_ok=True)
    numbers = np.cumsum([len(files), *(count for _, count in photos)]).tolist()
    with ProcessPoolExecutor() as pool:
        faces = pool.map(_write_face, range(len(files)), files, chunksize=500)
        wide = pool.map(
            _write_photo,
            numbers,
            [path for path, _ in photos],
            [n for _, n in photos],
            chunksize=500,
        )
        for _ in tqdm(
            chain(faces, wide), total=len(files) + len(photos), desc="draw", mininterval=5
        ):
            pass
    return int(numbers[-1])


def _some(count: int, share: float) -> int:
    return max(1, round(count * share))


def _folder7(root: Path, splits: dict[str, int], share: float) -> Iterator[Path]:
    """`{split}/{class}/`, as many of each class as of the others."""
    for split, count in splits.items():
        for number in range(_some(count, share)):
            yield root / split / CLASSES[number % len(CLASSES)].lower() / f"{number:07}.jpg"


def _rafdb_basic(root: Path, share: float) -> Iterator[Path]:
    lines = []
    for part in OFFICIAL["rafdb_basic"]:
        counts = {name: _some(part.counts[name], share) for name in _RAF_IDS}
        labels = chain.from_iterable(repeat(name, count) for name, count in counts.items())
        for number, name in enumerate(labels, 1):
            lines.append(f"{part.split}_{number:05} {_RAF_IDS.index(name) + 1}")
    yield from _raf_list(root / "basic", lines)


def _rafdb_compound(root: Path, share: float) -> Iterator[Path]:
    (part,) = OFFICIAL["rafdb_compound"]
    counts = [_some(count, share) for count in part.counts.values()]
    ids = np.repeat(np.arange(1, len(counts) + 1), counts)
    np.random.default_rng(0).shuffle(ids)
    tests = _some(OFFICIAL_SPLITS["rafdb_compound"][0].splits["test"], share)
    lines = [
        f"{'test' if place < tests else 'train'}_{place + 1:05} {number}"
        for place, number in enumerate(ids)
    ]
    yield from _raf_list(root / "compound", lines)


def _raf_list(root: Path, lines: list[str]) -> Iterator[Path]:
    labels = root / "EmoLabel"
    labels.mkdir(parents=True)
    text = "".join(f"{line.split()[0]}.jpg {line.split()[1]}\n" for line in lines)
    (labels / "list_patition_label.txt").write_text(text, encoding="ascii")
    for line in lines:
        yield root / "Image/aligned/aligned" / f"{line.split()[0]}_aligned.jpg"


def _rafml(root: Path, share: float) -> Iterator[Path]:
    """Six shares and a split for each picture; the largest share goes round."""
    splits = OFFICIAL_SPLITS["rafml"][0].splits
    labels = root / "EmoLabel"
    labels.mkdir(parents=True)
    names = [f"{number}.jpg" for number in range(sum(_some(n, share) for n in splits.values()))]
    tests = _some(splits["test"], share)
    shares, partition = [], []
    for place, name in enumerate(names):
        parts = ["0.1"] * len(EMOTIONS)
        parts[place % len(EMOTIONS)] = "0.5"
        shares.append(f"{name} {' '.join(parts)}\n")
        partition.append(f"{name} {int(place < tests)}\n")
    (labels / "distribution.txt").write_text("".join(shares), encoding="ascii")
    (labels / "partition_label.txt").write_text("".join(partition), encoding="ascii")
    yield from (root / "Image/aligned/aligned" / f"{Path(name).stem}_aligned.jpg" for name in names)


def _expw(root: Path, share: float) -> list[tuple[Path, int]]:
    """`label.lst`, and each photo with the number of its faces: one to three, side by side."""
    (part,) = OFFICIAL["expw"]
    counts = {name: _some(part.counts[name], share) for name in CLASSES}
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.repeat([INDEX[name] for name in counts], list(counts.values())))
    sure = np.zeros(len(labels), dtype=bool)
    sure[rng.permutation(len(labels))[: _some(EXPW_HQ, share)]] = True
    lines, photos, place = [], [], 0
    root.mkdir(parents=True)
    while place < len(labels):
        count = min(1 + int(rng.integers(_PHOTO)), len(labels) - place)
        name = f"photo_{len(photos):06}.jpg"
        for face in range(count):
            left, confidence = face * SIDE, 75 if sure[place] else 45
            lines.append(
                f"{name} {face} 0 {left} {left + SIDE} {SIDE} {confidence} {labels[place]}\n"
            )
            place += 1
        photos.append((root / "image/origin" / name, count))
    (root / "label.lst").write_text("".join(lines), encoding="ascii")
    return photos


def _write_face(number: int, path: Path) -> None:
    data = encoded(number, QUALITY)
    if any(name in path.parts for name in _SMALL):
        large = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        small = cv2.resize(large, (_SMALL_SIDE, _SMALL_SIDE), interpolation=cv2.INTER_AREA)
        data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    path.write_bytes(data)


def _write_photo(number: int, path: Path, faces: int) -> None:
    drawn = [
        cv2.imdecode(np.frombuffer(encoded(number + face, QUALITY), np.uint8), cv2.IMREAD_COLOR)
        for face in range(faces)
    ]
    path.write_bytes(
        cv2.imencode(".jpg", np.hstack(drawn), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
    )
