"""Which pairs of pictures pass for near twins: right ones (copies of one photo) and wrong ones (one
person with several expressions), for the thresholds of `local_differences.py`.

Run: python -m bench.twins_bench FER2013.arrow PERSONS.arrow (face stores that `fer run clean@…`
made; the second of a set whose groups are persons; a minute)

Writes docs/results/twins.md.
"""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from bench.near_duplicates_bench import BITS, CHANGES, CORRELATION
from fer_core.base.files import write_text
from fer_core.base.labels import N_CLASSES
from fer_core.dataset.assembly.hamming import hamming_pairs
from fer_core.dataset.assembly.local_differences import (
    MOST_OTHER_LABEL,
    MOST_SAME_LABEL,
    local_difference,
)
from fer_core.dataset.assembly.near_duplicates import correlations
from fer_core.dataset.store.imagehash import phash, thumbnail
from fer_core.dataset.store.store import FaceStore
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.opencv import cv2
from fer_core.sample.camera import sample_camera, sample_light
from fer_core.sample.expression import sample_expression
from fer_core.sample.identity import sample_identity
from fer_core.sample.portrait import Sitter, background, draw_sitter

OUT = Path("docs/results/twins.md")
BARS = (0.10, MOST_OTHER_LABEL, 0.20, 0.25, MOST_SAME_LABEL, 0.50)
PICTURES, PERSONS, TAKES, NOISE, LEAST = 1000, 40, 3, 6, 30
Kind = tuple[str, str, np.ndarray, np.ndarray]  # name, verdict, thumbnails of both sides


def main(fer2013: Path, persons: Path) -> None:
    """Write the table."""
    lines = [
        "# Right and wrong near twins",
        "",
        f"Pairs that are alike have perceptual hashes within {BITS} bits and thumbnails that "
        f"correlate by at least {CORRELATION}. Of these the local difference decides: near twins "
        f"have at most {MOST_SAME_LABEL} with one label, and at most {MOST_OTHER_LABEL} with two "
        "labels in one data set. Written by `python -m bench.twins_bench`.",
        "",
        f"| pairs | should be | number | alike | median | {' | '.join(f'≤ {b:.2f}' for b in BARS)} "
        "|",
        f"|---|---|---:|---:|---:|{'---:|' * len(BARS)}",
    ]
    for name, verdict, one, other in [
        *copies(fer2013),
        *known(fer2013),
        *drawn(),
        *photos(persons),
    ]:
        alike = _alike(one, other)
        found = local_difference(one[alike], other[alike])
        shares = [f"{(found <= bar).sum() / len(one):.3f}" for bar in BARS]
        median = f"{np.median(found):.2f}" if len(found) else "–"
        lines.append(
            f"| {name} | {verdict} | {len(one):,} | {alike.mean():.3f} | {median} | "
            f"{' | '.join(shares)} |"
        )
    lines += [
        "",
        "The columns give the share of all pairs that would pass for near twins at that bar. "
        "Of FER2013's own pairs 72 with a difference above 0.13 were looked at: each shows one "
        "photo, mostly with and without a watermark. The drawn persons sit still before one wall "
        f"under one light, with camera noise of ±{NOISE} grey levels; weak expressions are hard to "
        "tell from neutral faces, for people too. Pairs of one known group (a person, a photo) "
        "with two labels are never near twins.",
        "",
    ]
    write_text(OUT, "\n".join(lines))
    print(f"wrote {OUT}")


def _alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Bool [P]: pairs that hash and correlation take for twins."""
    hashes = [
        np.array([phash(small.reshape(32, 32)) for small in side], dtype=np.uint64)
        for side in (one, other)
    ]
    both = np.concatenate([one, other])
    pairs = np.stack([np.arange(len(one)), np.arange(len(one), len(both))], axis=1)
    return (np.bitwise_count(hashes[0] ^ hashes[1]) <= BITS) & (
        correlations(pairs, lambda indices: both[indices]) >= CORRELATION
    )


def _distinct(store: FaceStore) -> pd.DataFrame:
    table = store.table_without_images()
    return table[table["flag"] == ""].drop_duplicates("pixel_sha256")


def _thumbnails(store: FaceStore, rows: np.ndarray) -> np.ndarray:
    return store.thumbnails(rows)


def copies(file: Path) -> Iterator[Kind]:
    """Pictures of FER2013 and their changed copies."""
    store = FaceStore.open(file)
    rows = _distinct(store).sample(PICTURES, random_state=0).index.to_numpy()
    pictures = [decode_rgb(store.image(int(row)), row) for row in rows]
    one = np.stack([thumbnail(picture).ravel() for picture in pictures])
    for name, change in CHANGES.items():
        if "mirrored" not in name:
            other = np.stack([thumbnail(change(picture)).ravel() for picture in pictures])
            yield f"FER2013 and a copy: {name}", "twins", one, other


def known(file: Path) -> Iterator[Kind]:
    """Pairs that FER2013 holds."""
    store = FaceStore.open(file)
    table = _distinct(store)
    rows, labels = table.index.to_numpy(), table["label"].to_numpy()
    pairs = hamming_pairs(table["phash"].to_numpy(np.uint64), BITS)
    pairs = pairs[
        correlations(pairs, lambda indices: store.thumbnails(rows[indices])) >= CORRELATION
    ]
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    for name, chosen in (("one label", pairs[same]), ("two labels", pairs[~same])):
        yield (
            f"FER2013's own, {name}",
            "twins",
            *(_thumbnails(store, rows[side]) for side in chosen.T),
        )


def drawn() -> Iterator[Kind]:
    """Drawn persons in seven expressions, several takes of each."""
    other_class, same_class = [], []
    for number in range(PERSONS):
        rng = np.random.default_rng(number)
        person, light, wall = sample_identity(rng), sample_light(rng), background(rng, 192, 192)
        camera = sample_camera(rng, 96, 90, 91, 0.3)
        takes = []
        for emotion in np.repeat(np.arange(N_CLASSES), TAKES).tolist():
            canvas = wall.copy()
            sitter = Sitter(person, sample_expression(emotion, rng), 0.0, 0.0, (0.0, 0.0))
            draw_sitter(canvas, sitter, camera, light)
            small = cv2.resize(canvas, (48, 48), interpolation=cv2.INTER_AREA)
            noise = rng.integers(-NOISE, NOISE + 1, small.shape)
            image = np.clip(small.astype(int) + noise, 0, 255).astype(np.uint8)
            takes.append((emotion, thumbnail(image).ravel()))
        for (emotion, one), (second, other) in combinations(takes, 2):
            (same_class if emotion == second else other_class).append((one, other))
    for name, verdict, pairs in (
        ("one class, other takes", "either", same_class),
        ("two classes", "no twins", other_class),
    ):
        yield (
            f"one drawn person, {name}",
            verdict,
            *(np.stack(side) for side in zip(*pairs, strict=True)),
        )


def photos(file: Path) -> Iterator[Kind]:
    """Pictures of persons with many of them."""
    store = FaceStore.open(file)
    groups = [rows for _, rows in _distinct(store).groupby("group") if len(rows) >= LEAST]
    pairs = [pair for rows in groups for pair in combinations(rows.index.tolist(), 2)]
    name = f"{len(groups)} persons with {LEAST} photos and more"
    yield (
        name,
        "no twins",
        *(_thumbnails(store, np.array(side)) for side in zip(*pairs, strict=True)),
    )


if __name__ == "__main__":
    typer.run(main)
