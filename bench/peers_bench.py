"""Ready-made expression networks and ours on the same faces, by the same protocol: accuracy,
macro-F1 and calibration on two domains, under corruption and end to end, and latency.

Run: python -m bench.peers_bench --fer2013 FOLDER --peers FOLDER [--expressions FOLDER]
[--ours FILE.onnx ...] [--usage PublicTest] [--work FOLDER] [--no-latency] [--out PAGE.md]

The peers are ONNX files that people bring (see `bench.peers.networks`); one that is absent is named
and left out. Ours are the files of the ready network, unless others are given. Every network gets
the same 48 x 48 grey crops of the official test rows and prepares them in its own documented way.
Calibration is as shipped: nothing is fitted on these rows. FER2013 holds copies of test faces among
its Training rows; a network trained on these has seen the answer, so accuracy is also given on the
test rows whose pixels are in no Training row. FERPlus's labels of the same faces are taken where
its table, fer2013new.csv, lies beside the other.

Corruptions are those of the stage `robustness`, on a drawn part of these faces. The second domain
is a folder with a table of pictures and labels: the pictures are given as they are, and end to end,
each network with its own way to cut out the face (`bench.peers.cuts`); a picture in which none is
found counts as a wrong answer. Intervals are over faces, on the second domain over persons.

Latency is measured by the pipeline's own protocol (`fer_core.export.latency.latency`) on the first
of these faces: all in turns, in rounds, in one process, one thread and all of them, single faces
and batches, CPU and CUDA where there is one, the network alone and from crop to answer; beside
plain MobileNetV3-Large exports of random weights at every size that occurs, and at 96 px for all to
be held against.
With --work answers are kept in a folder, and a second run only times.
"""

import argparse
import inspect
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from bench.peers.cuts import Cut
from bench.peers.networks import PEERS, Peer, PeerNetwork, peer_subject, present_peers
from bench.peers.page import REFERENCE_SIZE, Page, command_of, page_of, with_ratios
from bench.peers.scores import Scores, answers_of, kept, scores_of
from bench.peers.sets import CELLS, Faces, Pictures, corrupted, domain, of_faces, read_faces
from fer_core.base.errors import FerError
from fer_core.base.files import sha256_file, write_text
from fer_core.base.labels import UNLABELLED
from fer_core.base.logs import setup_logging
from fer_core.base.settings import load_settings
from fer_core.evaluation.robustness.robustness import RobustnessOptions
from fer_core.export.latency.latency import measure_latency
from fer_core.export.latency.subjects import (
    Network,
    Subject,
    file_subject,
    reference_subject,
    usable_providers,
)
from fer_core.export.onnx.options import LatencyOptions
from fer_core.export.onnx.reference import write_reference
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.fetching import detector_file
from fer_core.predict.predictor import Predictor
from fer_core.predict.ready import ready_model

SINGLE = LatencyOptions(rounds=10, calls=100, batches=(1,), threads=(1, 0))
BATCHES = LatencyOptions(rounds=5, calls=20, batches=(16,), threads=(1, 0))
_TIMED_FACES = 64
_CORRUPTED, _SEED = RobustnessOptions().rows, 1337
_PRECISIONS = ("fp32", "fp16", "int8")

log = logging.getLogger("bench.peers")


@dataclass(frozen=True)
class Asked:
    """A network to be measured.

    Attributes:
        network: ready to run.
        path: its file.
        cut: how it cuts faces out.
        handled: how its inputs and outputs are treated, as far as its file does not say.
    """

    network: Network
    path: Path
    cut: Cut
    handled: str = ""


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
        help="files of the stages `onnx` and `onnx_teacher`, the main one first; without it those "
        "of the ready network",
    )
    parser.add_argument("--usage", default="PublicTest")
    parser.add_argument("--expressions", type=Path, help="pictures with a table of labels")
    parser.add_argument("--work", type=Path, help="folder in which answers are kept")
    parser.add_argument("--no-latency", action="store_true", help="time nothing")
    parser.add_argument("--out", type=Path, help="also write the page here, as Markdown")
    options = parser.parse_args()
    try:
        page = compare(options)
    except FerError as error:
        raise SystemExit(str(error)) from error
    print(page)
    if options.out:
        write_text(options.out, page)


def compare(options: argparse.Namespace) -> str:
    """Measure all that is there; the page."""
    peers = dict(present_peers(options.peers))
    if not peers and not options.ours:
        raise SystemExit(
            f"There is no peer in {options.peers} and none of --ours: nothing to compare."
        )
    ours = {_name(path): path for path in (options.ours or ready_files())}
    asked = {name: Asked(Predictor(path, threads=1), path, "square") for name, path in ours.items()}
    for name, peer in peers.items():
        path = options.peers / peer.file
        handled = f"{peer.order} {peer.probabilities} {inspect.getsource(peer.prepare)}"
        asked[name] = Asked(PeerNetwork(peer, path), path, peer.cut, handled)
    faces = read_faces(options.fer2013, options.usage)
    pictures: dict[str, Pictures] = {}
    if options.expressions is None:
        log.warning("left out, for --expressions is not given: the second domain")
    else:
        pictures = domain(options.expressions, detector_file())
    scores = measure_all(asked, faces, pictures, options.work)
    timed = None if options.no_latency else times(ours, peers, options.peers, faces)
    return page_of(
        Page(
            scores=scores,
            ours=list(ours),
            cuts={name: one.cut for name, one in asked.items()},
            files={name: one.path for name, one in asked.items()},
            absent=[peer for peer in PEERS if peer.what not in peers],
            usage=options.usage,
            seen=faces.seen,
            timed=None if timed is None else with_ratios(timed),
            command=command_of(options),
        )
    )


def ready_files() -> list[Path]:
    """The files of the ready network, that of single precision first."""
    folder = ready_model().parent
    files = [folder / f"student.{precision}.onnx" for precision in _PRECISIONS]
    return [path for path in files if path.is_file()]


def measure_all(
    asked: dict[str, Asked],
    faces: Faces,
    pictures: dict[str, Pictures],
    work: Path | None,
) -> dict[str, dict[str, Scores]]:
    """Scores of each network, by test and name."""
    detector = detector_file()
    plain = of_faces(faces, detector)
    hard, chosen = corrupted(faces, _CORRUPTED, _SEED, detector)
    pictures = {"fer2013": plain, "corrupted": hard} | pictures
    scores: dict[str, dict[str, Scores]] = {}
    for name, one in asked.items():
        answers = {
            test: kept(
                work,
                f"{sha256_file(one.path)} {one.cut} {one.handled} {test} {given.made_from}",
                partial(_asked, one, given, f"{test} {name}"),
            )
            for test, given in pictures.items()
        }
        for test, given in pictures.items():
            parts = np.split(answers[test], len(CELLS) if test == "corrupted" else 1)
            scores.setdefault(test, {})[name] = scores_of(parts, given.labels, given.clusters)
        parts_of = {"clean": (chosen, faces.labels), "unseen": (~faces.seen, faces.labels)}
        if faces.majority is not None:
            parts_of["ferplus"] = (faces.majority != UNLABELLED, faces.majority)
        for test, (rows, labels) in parts_of.items():
            if len(mine := labels[rows]):
                scores.setdefault(test, {})[name] = scores_of(
                    [answers["fer2013"][rows]], mine, plain.clusters[rows]
                )
    return scores


def _asked(asked: Asked, pictures: Pictures, name: str) -> np.ndarray:
    return answers_of(asked.network, pictures.images(asked.cut), name)


def times(
    ours: dict[str, Path], peers: dict[str, Peer], folder: Path, faces: Faces
) -> pd.DataFrame:
    """Times of all networks and of the plain exports."""
    subjects = [file_subject(name, "", path) for name, path in ours.items()]
    subjects += [peer_subject(name, peer, folder / peer.file) for name, peer in peers.items()]
    with tempfile.TemporaryDirectory() as place:
        sizes = sorted({REFERENCE_SIZE, *(subject.size for subject in subjects)})
        references = [_reference(Path(place), size) for size in sizes]
        return time_all([*subjects, *references], faces.images[:_TIMED_FACES])


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
    return reference_subject(write_reference(place, preprocessing, 18))


if __name__ == "__main__":
    main()
