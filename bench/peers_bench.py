"""Ready-made expression networks and ours on the same faces, by the same protocol: accuracy,
macro-F1, ECE and latency.

Run: python -m bench.peers_bench --fer2013 fer2013.csv --peers FOLDER [--ours FILE.onnx ...]
[--usage PublicTest] [--out PAGE.md]

The peers are ONNX files that people bring (see `bench.peers`); one that is absent is named and left
out. Every network gets the same 48 x 48 grey crops of the official test rows and prepares them in
its own documented way. Calibration is as shipped: nothing is fitted on these rows. FER2013 holds
copies of test faces among its Training rows; a network trained on these has seen the answer, so
accuracy is also given on the test rows whose pixels are in no Training row.

Latency is measured by the pipeline's own protocol (`fer_core.export.latency.latency`) on the first
of these faces: all in turns, in rounds, in one process, one thread and all of them, single faces
and batches, CPU and CUDA where there is one, the network alone and from crop to answer; beside
plain MobileNetV3-Large exports of random weights at every size that occurs and at their own 224 px.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from bench.peers import PeerNetwork, peer_subject, present_peers
from bench.peers_page import REFERENCE_SIZE, command_of, page_of, with_ratios
from fer_core.base.files import write_text
from fer_core.base.logs import progress_off, setup_logging
from fer_core.base.settings import load_settings
from fer_core.evaluation.metrics.metrics import all_metrics
from fer_core.export.latency.latency import measure_latency
from fer_core.export.latency.subjects import (
    Network,
    Subject,
    export_reference,
    file_subject,
    usable_providers,
)
from fer_core.export.onnx.options import LatencyOptions
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.predictor import Predictor
from fer_core.sources.families.fer2013 import encode, read_rows
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.fer2013 import READER as fer2013

SINGLE = LatencyOptions(rounds=10, calls=100, batches=(1,), threads=(1, 0))
BATCHES = LatencyOptions(rounds=5, calls=20, batches=(16,), threads=(1, 0))
_TIMED_FACES = 64
BATCH = 64
BINS = 15


@dataclass(frozen=True)
class Faces:
    """Rows of one usage.

    Attributes:
        images: RGB uint8 [48, 48, 3] each.
        labels: int [N].
        seen: bool [N], the same pixels are in a Training row.
    """

    images: list[np.ndarray]
    labels: np.ndarray
    seen: np.ndarray


def main() -> None:
    setup_logging()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--fer2013",
        type=Path,
        required=True,
        help="the official table, .csv or .csv.gz, or its folder",
    )
    parser.add_argument("--peers", type=Path, required=True, help="folder of the peers' ONNX files")
    parser.add_argument(
        "--ours",
        type=Path,
        nargs="*",
        default=[],
        help="files of the stages `onnx` and `onnx_teacher`",
    )
    parser.add_argument("--usage", default="PublicTest")
    parser.add_argument("--out", type=Path, help="also write the page here, as Markdown")
    options = parser.parse_args()
    peers = dict(present_peers(options.peers))
    ours = {_name(path): path for path in options.ours}
    if not ours and not peers:
        raise SystemExit(
            f"There is no peer in {options.peers} and none of --ours: nothing to compare."
        )
    faces = read_faces(options.fer2013, options.usage)
    answers = {
        name: answers_of(Predictor(path, threads=1), faces.images, name)
        for name, path in ours.items()
    }
    answers |= {
        name: answers_of(PeerNetwork(peer, options.peers / peer.file), faces.images, name)
        for name, peer in peers.items()
    }
    quality = pd.DataFrame({name: quality_of(logits, faces) for name, logits in answers.items()}).T
    subjects = [file_subject(name, "", path) for name, path in ours.items()]
    subjects += [
        peer_subject(name, peer, options.peers / peer.file) for name, peer in peers.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        sizes = sorted({REFERENCE_SIZE, *(subject.size for subject in subjects)})
        timed = time_all(
            [*subjects, *(_reference(Path(folder), size) for size in sizes)],
            faces.images[:_TIMED_FACES],
        )
    files = ours | {name: options.peers / peer.file for name, peer in peers.items()}
    page = page_of(
        quality, with_ratios(timed), files, options.usage, faces.seen, command_of(options)
    )
    print(page)
    if options.out:
        write_text(options.out, page)


def read_faces(place: Path, usage: str) -> Faces:
    """The rows of a usage, and which of them have their pixels in a Training row too."""
    tree = open_tree(place if place.is_dir() else place.parent)
    table = fer2013.files(tree)[0]
    rows, hashes, training = [], [], set()
    for row in tqdm(
        read_rows(tree, table), desc="table", unit="row", leave=False, disable=progress_off()
    ):
        if row.usage in ("Training", usage):
            pixels = hashlib.sha256(
                row.pixels.encode()
            ).digest()  # the table writes equal pixels in equal words
            if row.usage == usage:
                rows.append(row)
                hashes.append(pixels)
            else:
                training.add(pixels)
    if not rows:
        raise SystemExit(f"{tree.where(table)} has no rows of {usage}.")
    images = [decode_rgb(encode(row), row.key) for row in rows]
    return Faces(
        images,
        np.array([row.label for row in rows]),
        np.array([pixels in training for pixels in hashes]),
    )


def answers_of(network: Network, images: Sequence[np.ndarray], name: str) -> np.ndarray:
    """Logits or log-probabilities, float64 [N, 7]; of ours the calibrated ones."""
    parts = []
    for at in tqdm(
        range(0, len(images), BATCH),
        desc=name[:30],
        unit="batch",
        leave=False,
        disable=progress_off(),
    ):
        found: Any = network.run(network.prepare(images[at : at + BATCH]))
        parts.append(
            found
            if isinstance(found, np.ndarray)
            else np.log(np.maximum(found.probabilities, 1e-12))
        )
    return np.concatenate(parts).astype(np.float64)


def quality_of(logits: np.ndarray, faces: Faces) -> dict[str, float]:
    """Scores on all rows, and accuracy on those that no Training row repeats."""
    metrics = all_metrics(logits, faces.labels, BINS)
    unseen = ~faces.seen
    right = logits.argmax(axis=1) == faces.labels
    scores = {name: metrics[name] for name in ("accuracy", "macro_f1", "ece", "nll")}
    return scores | {
        "accuracy_unseen": float(right[unseen].mean()) if unseen.any() else float("nan")
    }


def time_all(subjects: Sequence[Subject], images: Sequence[np.ndarray]) -> pd.DataFrame:
    """Times of single faces and of batches; columns of `measure_latency`."""
    threads = load_settings().cpu_threads()
    parts = [
        measure_latency(subjects, usable_providers(), options, threads, images)
        for options in (SINGLE, BATCHES)
    ]
    return pd.concat(parts, ignore_index=True)


def _name(path: Path) -> str:
    metadata = Predictor(path, threads=1).metadata
    return f"ours: {path.stem}, {metadata.arch} at {metadata.preprocessing.size} px"


def _reference(folder: Path, size: int) -> Subject:
    """Untrained, for its latency alone."""
    preprocessing = Preprocessing(size, 1.0, False, 2.0, 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    (place := folder / str(size)).mkdir()
    return export_reference(place, preprocessing, 18)


if __name__ == "__main__":
    main()
