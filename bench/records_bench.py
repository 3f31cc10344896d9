"""Manifest and gate at millions of records: time, growth and memory of every step.

Run: python -m bench.records_bench --work FOLDER (1.5 GB there for each million; `--millions 0.5`
alone takes a minute or two)

A record is what a face store holds of a face, with a thumbnail and, in place of the image, one
byte. Thumbnails are drawn: random low frequencies as strong as those of FER2013, and in three of
ten faces one common pattern, so that about as many pairs of strangers have hashes within 8 bits as
there (a few in a million). One record in 100 is an exact copy of an earlier one, one in 100 has its
picture a little brighter and noisier, nine of ten with its label. Two sources bring test rows,
groups are photos of one to three faces. Each step runs in a process of its own. Times are those of
the processor, which other work on the machine stretches less than those of the clock.
"""

import json
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import cache
from itertools import islice
from math import log
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer

from bench.scale_bench import pattern
from fer_core.base.artifact import Header
from fer_core.base.files import sha256_bytes
from fer_core.base.labels import CLASSES
from fer_core.dataset.assembly import hamming
from fer_core.dataset.assembly import manifest as assembly
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.manifest import manifest_parts
from fer_core.dataset.assembly.near_duplicates import Twins
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.gate.validation import ValidateOptions, validate
from fer_core.dataset.manifest.table import read_manifest_parts, write_manifest
from fer_core.dataset.pack.named_sets import SetFilter
from fer_core.dataset.store.imagehash import THUMBNAIL
from fer_core.dataset.store.store import _KIND, STORE_SCHEMA, _copy_with_header
from fer_core.pixels.opencv import cv2

SOURCES = ("alpha", "beta", "gamma")
WAVES, BATCH, COPIES = 9, 1000, 0.01
CROWD, COMMON = 0.3, 2.0  # share of faces with the common pattern, and its strength
STEPS = ("manifest", "gate")


def main(
    work: Annotated[Path, typer.Option(help="folder for stores and manifests")],
    millions: Annotated[list[float] | None, typer.Option(help="sizes")] = None,
    bits: Annotated[int, typer.Option(help="0 leaves the search for near twins out")] = 8,
    blocks: Annotated[int, typer.Option(help="times one in so many blocks of the search")] = 1,
    step: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print what each step costs at each size."""
    if step:
        run(step, work, bits, blocks)
        return
    seen: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for size in millions or [0.5, 2, 5]:
        folder, faces = work / f"{size:g}", round(size * 1e6)
        if not (folder / "done").exists():
            draw(folder / "clean", faces)
            (folder / "done").touch()
        for name in STEPS:
            command = [sys.executable, "-m", "bench.records_bench", "--step", name, "--bits"]
            done = subprocess.run(
                [*command, str(bits), "--blocks", str(blocks), "--work", folder],
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
            cost = json.loads(done.stdout.splitlines()[-1])
            print(faces, name, cost, flush=True)
            seen.setdefault(name, []).append((faces, cost))
    print(
        "\n| step | records | CPU s | wall s | exponent | peak MB, private | peak MB, resident | "
        "µs a record |\n|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    for name, costs in seen.items():
        show(name, costs, "cpu")
        show(f"… of it the search in {name}", costs, "search")


def show(name: str, costs: list[tuple[int, dict[str, float]]], key: str) -> None:
    """Lines of the table: the exponent is that since the size before."""
    for (faces, cost), before in zip(costs, [None, *costs], strict=False):
        growth = "–"
        if before:
            growth = f"{log(cost[key] / before[1][key]) / log(faces / before[0]):.2f}"
        whole = key == "cpu"
        wall, private, resident = (
            f"{cost[what]:,.0f}" if whole else "" for what in ("wall", "private", "resident")
        )
        print(
            f"| {name} | {faces:,} | {cost[key]:.1f} | {wall} | {growth} | {private} | "
            f"{resident} | {cost[key] / faces * 1e6:.1f} |"
        )


def draw(clean: Path, faces: int) -> None:
    """Write three face stores, batch by batch, as `write_store` would write their rows."""
    clean.mkdir(parents=True, exist_ok=True)
    for number, source in enumerate(SOURCES):
        rows = faces * (number + 1) // len(SOURCES) - faces * number // len(SOURCES)
        counts: Counter[tuple[str, int]] = Counter()
        spool = clean / f"{source}.rows"
        with pa.OSFile(str(spool), "wb") as sink, pa.ipc.new_file(sink, STORE_SCHEMA) as writer:
            for start in range(0, rows, BATCH):
                batch = drawn(number, start, min(BATCH, rows - start))
                counts.update(zip(batch["split"].tolist(), batch["label"].tolist(), strict=True))
                columns = [
                    pa.array(batch[field.name], field.type)
                    if field.name in batch
                    else pa.nulls(len(batch["label"]), field.type)
                    for field in STORE_SCHEMA
                ]
                writer.write_batch(pa.record_batch(columns, schema=STORE_SCHEMA))
        announced: dict[str, dict[str, int]] = {}
        for (split, label), count in counts.items():
            announced.setdefault(split, {})[CLASSES[label]] = count
        about = {"source": source, "announced": announced, "exclusions": [], "notes": {}}
        _copy_with_header(spool, clean / f"{source}.arrow", Header(_KIND, source), about)
        spool.unlink()


def drawn(number: int, start: int, count: int) -> dict[str, Any]:
    """Columns of some records of a source."""
    rng = np.random.default_rng([number, start])
    small, labels = pictures(rng, count)
    if start:  # copies are of records half as far from the start, in any source
        older = start // 2 // BATCH * BATCH
        theirs, their_labels = pictures(
            np.random.default_rng([int(rng.integers(len(SOURCES))), older]), BATCH
        )
        mine = np.flatnonzero(rng.random(count) < 2 * COPIES)
        source = rng.integers(0, BATCH, len(mine))
        small[mine] = theirs[source]
        same = rng.random(len(mine)) < 0.9
        labels[mine[same]] = their_labels[source[same]]
        noisy = mine[::2]
        noise = rng.normal(4, 2, (len(noisy), THUMBNAIL**2))
        small[noisy] = np.clip(small[noisy] + noise, 0, 255).astype(np.uint8)
    split = np.where(rng.random(count) < (0, 0.1, 0.2)[number], "test", "train")
    photo = np.arange(start, start + count) // int(rng.integers(1, 4))
    source, shown = SOURCES[number], split.tolist()
    thumbnails = [picture.tobytes() for picture in small]
    names = [f"{source}/{part}" for part in shown]
    keys = ((np.arange(start, start + count) * 7919) % 99_999_989).tolist()
    empty = np.full(count, "")
    return {
        "sample_id": [f"{name}/{key:08}.jpg" for name, key in zip(names, keys, strict=True)],
        "image": [b"-"] * count,
        "label": labels.astype(np.int8),
        "split": split,
        "usage": split,
        "group": [f"{name}/p{at}" for name, at in zip(names, photo.tolist(), strict=True)],
        "pixel_sha256": [sha256_bytes(pixels) for pixels in thumbnails],
        "phash": phashes(small),
        "thumbnail": thumbnails,
        "width": np.full(count, 100, dtype=np.int32),
        "height": np.full(count, 100, dtype=np.int32),
        "flag": empty,
        "subgroups": empty,
    }


@cache
def parts_of_pictures() -> tuple[np.ndarray, np.ndarray]:
    """What pictures are mixed of, float32 [parts, pixels]: cosines of low frequencies with their
    usual strength, the common pattern, and white; and noise to add, float32 [rows, pixels].
    """
    cosines = cv2.dct(np.eye(THUMBNAIL), flags=cv2.DCT_ROWS).T[:WAVES]
    down, right = np.mgrid[:WAVES, :WAVES]
    strength = (down**2 + right**2 + 0.6) ** -0.75
    strength[0, 0] = 0
    strength *= THUMBNAIL / np.sqrt((strength**2).sum())
    waves = np.einsum("ui,vj,uv->uvij", cosines, cosines, strength).reshape(WAVES**2, -1)[1:]
    common = cv2.resize(pattern(), (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).ravel()
    common = (common - common.mean()) / common.std()
    parts = np.stack([*waves, common, np.ones_like(common)]).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 6, (4 * BATCH, THUMBNAIL**2))
    return parts, noise.astype(np.float32)


def pictures(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey thumbnails, uint8 [count, pixels], and labels."""
    parts, noise = parts_of_pictures()
    crowd = np.where(rng.random(count) < CROWD, COMMON, 0.2) + rng.normal(0, 0.3, count)
    mix = rng.standard_normal((count, len(parts)), dtype=np.float32)
    mix[:, -2] = np.abs(crowd)
    mix *= 40 * np.exp(0.3 * rng.standard_normal((count, 1), dtype=np.float32))
    mix[:, -1] = 120 + 15 * rng.standard_normal(count)
    found = mix @ parts
    found += noise[rng.integers(0, len(noise), count)]
    return np.clip(found, 0, 255, out=found).astype(np.uint8), rng.integers(0, 7, count)


def phashes(small: np.ndarray) -> np.ndarray:
    """What `phash` gives each thumbnail but for rounding, uint64 [n]."""
    cosines = cv2.dct(np.eye(THUMBNAIL), flags=cv2.DCT_ROWS).T[:8].astype(np.float32)
    pictures = small.reshape(-1, THUMBNAIL, THUMBNAIL).astype(np.float32)
    low = (cosines @ pictures @ cosines.T).reshape(len(small), -1)
    bits = low > np.median(low[:, 1:], axis=1, keepdims=True)
    bits[:, 0] = False
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def run(step: str, folder: Path, bits: int, blocks: int) -> None:
    """One step, and what it cost, as JSON."""
    twins = {"across_splits": "drop", "contradictory": "drop", "repeated": "drop"}
    options = ManifestOptions.model_validate(
        {
            "sources": SOURCES,
            "val_fraction": 0.1,
            "calib_fraction": 0.1,
            "test_fraction": {},
            "non_faces": "drop",
            "twins": twins,
            "near_duplicate_bits": bits,
            "near_duplicate_correlation": 0.95,
        }
    )
    peaks, over = [0.0, 0.0], threading.Event()
    watcher = threading.Thread(target=watch, args=(peaks, over), daemon=True)
    watcher.start()
    started, used = time.perf_counter(), time.process_time()
    stores = open_stores(folder / "clean", list(SOURCES))
    found: dict[str, float] = {}
    search = assembly.find_twins

    def timed(*arguments: Any, **options: Any) -> Twins:
        before = time.process_time()
        twins = search(*arguments, **options)
        found["search"] = time.process_time() - before
        found["candidates"], found["near"] = twins.candidates, twins.near_pairs
        return twins

    assembly.find_twins = timed
    whole = hamming._blocks
    hamming._blocks = lambda keys: islice(whole(keys), blocks // 2, None, blocks)
    if step == "manifest":
        write_manifest(folder / "manifest.parquet", manifest_parts(stores, options, 1337))
    else:
        least = {"train": 1, "val": 1, "calib": 1, "test": 1}
        seen = validate(
            read_manifest_parts(folder / "manifest.parquet"),
            stores,
            options,
            ValidateOptions.model_validate({"min_per_class": least}),
            {"all": SetFilter(), "train": SetFilter(split=["train"], most_per_class=1000)},
        )
        found |= {"faults": len(seen.faults), **seen.report["rows_by_split"]}
    cost = {"wall": time.perf_counter() - started, "cpu": time.process_time() - used}
    over.set()
    watcher.join()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({**cost, "private": peaks[0], "resident": resident, **found}))


def watch(peaks: list[float], over: threading.Event) -> None:
    """The greatest private memory of this process, in MB."""
    while not over.wait(0.05):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                peaks[0] = max(peaks[0], int(line.split()[1]) / 1e3)


if __name__ == "__main__":
    typer.run(main)
