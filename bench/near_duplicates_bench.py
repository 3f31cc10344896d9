"""How many changed copies of a picture are found as near twins, by kind of change, and how many
pairs are found by chance.

Run: python -m bench.near_duplicates_bench data/clean/fer2013.arrow (a face store that `fer run
clean@fer2013` made; half a minute)

Prints Markdown: for each change the share of 2,000 pictures whose changed copy is their twin at the
thresholds of the profiles (8 bits, correlation 0.95), without and with mirrored look-up; then the
near twins among all pictures of the store themselves.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from fer_core.dataset.assembly.near_duplicates import find_twins
from fer_core.dataset.store.imagehash import phash, thumbnail
from fer_core.dataset.store.store import FaceStore
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.opencv import cv2

BITS, CORRELATION, PICTURES = 8, 0.95, 2000
Change = Callable[[np.ndarray], np.ndarray]


def main(store: Path) -> None:
    """Print how many changed copies of a store's pictures are found, and pairs found by chance."""
    faces = FaceStore.open(store)
    table = faces.table_without_images().drop_duplicates("pixel_sha256").assign(source="bench")
    table = table[table["flag"] == ""]
    chosen = np.random.default_rng(0).choice(table.index, min(PICTURES, len(table)), replace=False)
    pictures = [decode_rgb(faces.image(int(row)), row) for row in chosen]
    print("| change | found | with mirrored look-up |\n|---|---:|---:|")
    for name, change in CHANGES.items():
        print(
            f"| {name} | {share(pictures, change, mirrored=False):.2f} | "
            f"{share(pictures, change, mirrored=True):.2f} |",
            flush=True,
        )
    rows = table.index.to_numpy()
    twins = find_twins(
        table, lambda indices: faces.thumbnails(rows[indices]), BITS, CORRELATION, mirrored=True
    )
    print(
        f"\n{len(table):,} distinct pictures: {twins.near_pairs:,} near pairs, "
        f"{twins.mirrored_pairs:,} more with one picture mirrored."
    )


def share(pictures: list[np.ndarray], change: Change, *, mirrored: bool) -> float:
    """Share of pictures that are twins of their changed copies."""
    thumbnails = np.array([thumbnail(image) for image in [*pictures, *map(change, pictures)]])
    hashes = np.array([phash(small) for small in thumbnails], dtype=np.uint64)
    faces = pd.DataFrame(
        {
            "pixel_sha256": [str(number) for number in range(len(thumbnails))],
            "phash": hashes,
            "flag": "",
            "label": 0,
            "source": "bench",
            "group": "",
        }
    )
    cluster = find_twins(
        faces,
        lambda indices: thumbnails.reshape(len(hashes), -1)[indices],
        BITS,
        CORRELATION,
        mirrored=mirrored,
    ).cluster
    return float((cluster[: len(pictures)] == cluster[len(pictures) :]).mean())


def moved(degrees: float = 0, scale: float = 1, shift: float = 0) -> Change:
    """Turned and zoomed about the middle and moved sideways (pixels); what comes in at the edges
    repeats them.
    """

    def change(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale)
        matrix[0, 2] += shift
        return cv2.warpAffine(
            image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )

    return change


def jpeg(quality: int) -> Change:
    return lambda image: cv2.imdecode(
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
    )


def noisy(image: np.ndarray) -> np.ndarray:
    return np.clip(
        image + np.random.default_rng(image.size).normal(0, 8, image.shape), 0, 255
    ).astype(np.uint8)


CHANGES: dict[str, Change] = {
    "JPEG, quality 50": jpeg(50),
    "enlarged to 224 pixels": lambda image: cv2.resize(
        image, (224, 224), interpolation=cv2.INTER_CUBIC
    ),
    "noise, deviation 8": noisy,
    "brighter and more contrast": lambda image: np.clip(image * 1.2 + 10, 0, 255).astype(np.uint8),
    "turned by 1 degree": moved(degrees=1),
    "turned by 3 degrees": moved(degrees=3),
    "turned by 5 degrees": moved(degrees=5),
    "enlarged by 4 %, cropped": moved(scale=1.04),
    "moved by 1 pixel of 48": moved(shift=1),
    "moved by 2 pixels of 48": moved(shift=2),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "mirrored, JPEG, quality 50": lambda image: jpeg(50)(np.ascontiguousarray(image[:, ::-1])),
}

if __name__ == "__main__":
    typer.run(main)
