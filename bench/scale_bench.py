"""The data stages at the size of the unified set: 466,284 synthetic faces in seven sources, run by
DVC in a clone of their own.

Run: python -m bench.scale_bench --faces 466284 --work FOLDER (about 10 GB there; --faces 50000
takes a minute or two)

Each face is a JPEG of 100 x 100 pixels and at least 3 KB. A common face-like pattern makes
perceptual hashes crowd as those of real faces do (FER2013: 8 in a million pairs within 8 bits), one
face in 200 repeats an earlier one exactly and one in 200 is an earlier one compressed again. Prints
a Markdown table: wall time of `dvc repro --single-item STAGE` with all its hashing and caching, CPU
time of its processes, which other work on the machine does not stretch, their peak memory
(resident, and without shared file pages), and the rate of random reads from the pack.
"""

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import psutil
import typer
import yaml
from tqdm import tqdm

from fer_core.base.labels import CLASSES
from fer_core.base.reading import read_yaml
from fer_core.dataset.pack.pack import Pack
from fer_core.pixels.opencv import cv2
from fer_core.sources.catalogue.descriptor import Descriptor, scanned, write_descriptor

ROOT = Path(__file__).parent.parent
UNIFIED = 466_284
SOURCES = {  # rows of train, val and test in the unified set of the original system
    "uniform": (112_000, 14_000, 14_000),
    "ferplus_folders": (116_758, 14_682, 7_086),
    "expw_folders": (73_434, 9_180, 9_179),
    "affectnet_folders": (57_414, 0, 14_350),
    "raf_folders": (12_271, 0, 3_068),
    "rafml_folders": (3_926, 0, 982),
    "compound_folders": (3_162, 0, 792),
}
SIDE, QUALITY, REPEATS = 100, 85, 200
READS = 20_000


def main(
    work: Annotated[Path, typer.Option(help="folder that is made anew")],
    faces: int = UNIFIED,
) -> None:
    """Run the data stages on synthetic faces and print what each costs."""
    shutil.rmtree(work, ignore_errors=True)
    raw, project = work / "raw", work / "project"
    faces = render(raw, faces / UNIFIED)
    prepare(project, raw)
    print(
        f"\n{faces} faces, {sum(f.stat().st_size for f in raw.rglob('*.jpg')) / 1e6:.0f} MB of "
        f"JPEG, {os.cpu_count()} cores\n"
    )
    print(
        "| stage | wall s | CPU s | faces/s | peak MB resident | of it private "
        "|\n|---|---|---|---|---|---|"
    )
    cleaned = [measure(project, raw, f"clean@{name}") for name in SOURCES]
    wall, cpu = (sum(row[place] for row in cleaned) for place in (0, 1))
    show(
        "clean (7 sources)",
        Cost(wall, cpu, max(row.resident for row in cleaned), max(row.private for row in cleaned)),
        faces,
    )
    for stage in ("manifest", "validate", "pack"):
        show(stage, measure(project, raw, stage), faces)
    started = time.perf_counter()
    dvc(project, raw, "repro", "pack")
    show("nothing changed: `dvc repro pack`", Cost(time.perf_counter() - started, 0, 0, 0), faces)
    add_a_face(project, raw)
    for stage in ("clean@compound_folders", "manifest", "validate", "pack"):
        show(f"one small source changed: {stage}", measure(project, raw, stage), faces)
    reads(project)


def render(raw: Path, share: float) -> int:
    """Write the raw folders; returns the number of faces."""
    paths = []
    for source, rows in SOURCES.items():
        for split, n in zip(("train", "val", "test"), rows, strict=True):
            paths += [
                raw / source / split / CLASSES[i % 7].lower() / f"{i:07}.jpg"
                for i in range(round(n * share))
            ]
    for folder in {path.parent for path in paths}:
        folder.mkdir(parents=True)
    with ProcessPoolExecutor() as pool:
        jobs = pool.map(
            partial(write_face, total=len(paths)), range(len(paths)), paths, chunksize=500
        )
        for _ in tqdm(jobs, total=len(paths), desc="render", unit="img", mininterval=5):
            pass
    return len(paths)


def write_face(number: int, path: Path, total: int) -> None:
    """One face; one in `REPEATS` is another one's copy, the next one is another one compressed
    again.
    """
    copy, again = number % REPEATS == 0, number % REPEATS == 1
    shown = (number * 7919 + 13) % total if copy or again else number
    data = encoded(shown, QUALITY)
    path.write_bytes(encoded(shown, QUALITY, again=True) if again else data)


def encoded(number: int, quality: int, *, again: bool = False) -> bytes:
    rng = np.random.default_rng(number)
    low = cv2.resize(
        rng.normal(0, 12, (7, 7)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
    )
    middle = cv2.resize(rng.normal(0, 12, (40, 40)).astype(np.float32), (SIDE, SIDE))
    grey = pattern() + low + middle + rng.normal(0, 6, (SIDE, SIDE))
    tint = rng.uniform(0.85, 1.15, 3)
    image = np.clip(grey[..., None] * tint, 0, 255).astype(np.uint8)
    if again:
        image = cv2.imdecode(
            cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR
        )
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def pattern() -> np.ndarray:
    """What all faces share: a light oval with darker eyes and mouth, float [SIDE, SIDE]."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    face = 60 + 110 * np.exp(-(((x / 0.62) ** 2 + (y / 0.8) ** 2) ** 2))
    for centre in (-0.28, 0.28):
        face -= 70 * np.exp(-(((x - centre) / 0.13) ** 2 + ((y + 0.2) / 0.07) ** 2))
    return face - 60 * np.exp(-((x / 0.25) ** 2 + ((y - 0.45) / 0.07) ** 2))


def prepare(project: Path, raw: Path) -> None:
    """A clone of this repository with the seven sources in its descriptors, params.yaml and
    dvc.yaml.
    """
    subprocess.run(["git", "clone", "--quiet", "--local", ROOT, project], check=True)
    params = read_yaml(project / "params.yaml")
    params["manifest"] |= {"sources": list(SOURCES), "test_fraction": {}}
    params["sets"] = {"test_all_sources": {}}
    text = yaml.safe_dump(params, sort_keys=False)
    (project / "params.yaml").write_text(text, encoding="utf-8")
    for name in SOURCES:
        write_descriptor(
            project / "data/sources",
            scanned(Descriptor(name, "folder7", False), raw, "folder7", name),
        )
    run(project, raw, [str(Path(sys.executable).parent / "fer"), "dag", "sync"])


def add_a_face(project: Path, raw: Path) -> None:
    """The smallest source gets one more test face."""
    write_face(10**9 + 7, raw / "compound_folders/test/happy/9999999.jpg", 10**9)
    run(
        project,
        raw,
        [str(Path(sys.executable).parent / "fer"), "data", "refresh", "compound_folders"],
    )


def dvc(project: Path, raw: Path, *arguments: str) -> None:
    run(project, raw, [sys.executable, "-m", "dvc", *arguments])


def run(project: Path, raw: Path, command: list[str]) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {
        "PATH": path,
        "FER_RAW": str(raw.resolve()),
        "DVC_NO_ANALYTICS": "1",
    }
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )


class Cost(NamedTuple):
    """Seconds of the clock and of the processors, and the peaks of resident and of private memory
    of all processes, in MB.
    """

    wall: float
    cpu: float
    resident: float
    private: float


def measure(project: Path, raw: Path, stage: str) -> Cost:
    """What one stage costs."""
    peaks, over = [0.0, 0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            sizes = [memory(process) for process in psutil.Process().children(recursive=True)]
            for place in (0, 1):
                peaks[place] = max(peaks[place], sum(size[place] for size in sizes) / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started, used = time.perf_counter(), cpu_of_children()
    try:
        dvc(project, raw, "repro", "--single-item", stage)
    finally:
        wall, cpu = time.perf_counter() - started, cpu_of_children() - used
        over.set()
        watcher.join()
    return Cost(wall, cpu, peaks[0], peaks[1])


def cpu_of_children() -> float:
    """CPU seconds of all processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def memory(process: psutil.Process) -> tuple[int, int]:
    try:
        info = process.memory_info()
    except psutil.Error:
        return 0, 0
    return info.rss, info.rss - getattr(info, "shared", 0)


def show(what: str, cost: Cost, faces: int) -> None:
    rate = faces / cost.wall
    print(
        f"| {what} | {cost.wall:.1f} | {cost.cpu:.1f} | {rate:,.0f} | {cost.resident:,.0f} | "
        f"{cost.private:,.0f} |",
        flush=True,
    )


def reads(project: Path) -> None:
    """Random access: decode faces of the pack in random order, against the same bytes decoded from
    a list in memory.
    """
    pack = Pack.open(project / "data/pack/dev")
    rows = np.random.default_rng(0).permutation(len(pack.rows))[:READS]
    cv2.setNumThreads(1)
    held = [pack.image(int(row)) for row in rows]
    rates = []
    for images in (held, (pack.image(int(row)) for row in rows)):
        started = time.perf_counter()
        for image in images:
            cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
        rates.append(len(rows) / (time.perf_counter() - started))
    memory_rate, pack_rate = rates
    print(
        f"\nRandom reads with decoding, one thread: {pack_rate:,.0f} faces/s from the pack, "
        f"{memory_rate:,.0f} from memory."
    )


if __name__ == "__main__":
    typer.run(main)
