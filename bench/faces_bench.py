"""Faces in photos: which are found, how long it takes, and how much around a box the networks want
to see.

Run: python -m bench.faces_bench --detector FILE --model student.fp32.onnx [--fer2013 fer2013.csv
--peers FOLDER] [--faces 800]

- Detection: one drawn face in a photo of 4000 x 3000, searched in several sizes and, for
  comparison, once as it is.
- Framing on drawn photos in the layout of ExpW, rendered with other seeds than the sample's:
  accuracy of the model on crops of several margins. Its file must be that of the sample.
- Framing on real faces: PublicTest pictures of FER2013 laid on a ground of their own blurred edge,
  found again by the detector; accuracy of the peers (see `bench.peers`) on crops of several margins
  and on the whole pictures.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bench.peers.networks import PEERS, PeerNetwork
from bench.peers.scores import answers_of
from bench.peers.sets import read_faces
from fer_core.base.logs import setup_logging
from fer_core.export.latency.subjects import Network
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.opencv import cv2
from fer_core.predict.detection import FaceBox, YuNet, crop_face, read_detector
from fer_core.predict.predictor import Predictor
from fer_core.sample.options import SampleOptions
from fer_core.sample.portrait import shoot
from fer_core.sample.render import render

log = logging.getLogger("bench.faces")

MARGINS = (-0.15, -0.1, -0.075, -0.05, -0.025, 0.0, 0.05, 0.1, 0.15)
SIDES = (60, 120, 400, 800, 1600, 2400)
PHOTO = (4000, 3000)
EACH = 8


def main(
    detector: Annotated[Path, typer.Option()],
    model: Annotated[Path, typer.Option(help="the sample's student")],
    fer2013: Annotated[Path | None, typer.Option(help="the official table")] = None,
    peers: Annotated[Path | None, typer.Option(help="folder of the peers' ONNX files")] = None,
    faces: Annotated[int, typer.Option(help="of each measurement of framing")] = 800,
) -> None:
    """Measure which faces are found, how long it takes, and how much around a box serves best."""
    setup_logging()
    cv2.setNumThreads(1)
    yunet = YuNet(detector)
    _detection({"several sizes": yunet.detect, "as it is": _once(detector)})
    _framing(
        "drawn photos",
        _drawn(faces),
        yunet,
        {model.stem: Predictor(model, threads=1)},
    )
    if fer2013 and peers:
        paths = {peer: peers / peer.file for peer in PEERS}
        networks = {
            peer.file: PeerNetwork(peer, path)
            for peer, path in paths.items()
            if peer.batched and path.is_file()
        }
        _framing("FER2013 PublicTest", _real(fer2013, faces), yunet, networks)


def _once(path: Path) -> Callable[[np.ndarray], list[FaceBox]]:
    """The detector on the image as it is."""
    model = np.frombuffer(read_detector(path), dtype=np.uint8)
    bare = cv2.FaceDetectorYN.create(
        "onnx", model, np.zeros(0, np.uint8), (320, 320), 0.7, 0.3, 5000
    )

    def detect(image: np.ndarray) -> list[FaceBox]:
        bare.setInputSize((image.shape[1], image.shape[0]))
        _, rows = bare.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        rows = [] if rows is None else rows
        return [
            FaceBox(*(int(value) for value in row[:4]), score=float(row[-1]))
            for row in rows
            if np.isfinite(row).all()
        ]

    return detect


def _detection(ways: dict[str, Callable[[np.ndarray], list[FaceBox]]]) -> None:
    ground = cv2.resize(
        np.random.default_rng(0).integers(60, 200, (9, 12, 3), dtype=np.uint8),
        PHOTO,
        interpolation=cv2.INTER_CUBIC,
    )
    print(
        "side of the face, found of " + str(EACH) + " and CPU seconds a photo: " + ", ".join(ways)
    )
    for side in SIDES:
        found, seconds = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0.0)
        for number in range(EACH):
            photo = ground.copy()
            top, left = (PHOTO[1] - side) // 2, (PHOTO[0] - side) // 2
            face = shoot(11, "bench", number, 3, min(side, 400), 1, freedom=1.0)[0][:, :, ::-1]
            photo[top : top + side, left : left + side] = cv2.resize(
                face, (side, side), interpolation=cv2.INTER_CUBIC
            )
            for way, detect in ways.items():
                start = time.process_time()
                boxes = detect(photo)
                seconds[way] += time.process_time() - start
                found[way] += any(0.6 < max(box.width, box.height) / side < 1.6 for box in boxes)
        print(
            f"{side:5d}  "
            + "  ".join(f"{found[way]:3d} {seconds[way] / EACH:6.2f}" for way in ways)
        )


Case = tuple[np.ndarray, tuple[float, float, float, float], int]
"""A photo, the place of a face in it (left, top, right, bottom) and its label."""


def _drawn(count: int) -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        plain = SampleOptions(
            seed=7, faces=count, duplicates=0, contradictions=0, non_faces=0, label_noise=0.0
        )
        render("expw", Path(folder), plain)
        for line in (Path(folder) / "label.lst").read_text().splitlines():
            name, _, top, left, right, bottom, _, label = line.split()
            photo = decode_rgb((Path(folder) / "image/origin" / name).read_bytes(), name)
            yield photo, (int(left), int(top), int(right), int(bottom)), int(label)


def _real(table: Path, count: int) -> Iterator[Case]:
    faces = read_faces(table, "PublicTest")
    for index in np.linspace(0, len(faces.images) - 1, min(count, len(faces.images))).astype(int):
        face = cv2.resize(faces.images[index], (192, 192), interpolation=cv2.INTER_CUBIC)
        photo = cv2.GaussianBlur(
            cv2.copyMakeBorder(face, 96, 96, 96, 96, cv2.BORDER_REPLICATE), (0, 0), 9
        )
        photo[96:288, 96:288] = face
        yield photo, (96, 96, 288, 288), int(faces.labels[index])


def _framing(
    name: str, cases: Iterator[Case], detector: YuNet, networks: dict[str, Network]
) -> None:
    crops: dict[str, list[np.ndarray]] = {}
    labels, ratios, missed = [], [], 0
    for photo, (left, top, right, bottom), label in cases:
        boxes = detector.detect(photo)
        x, y, side = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top)
        near = [
            box
            for box in boxes
            if np.hypot(box.left + box.width / 2 - x, box.top + box.height / 2 - y) < 0.3 * side
        ]
        if not near:
            missed += 1
            continue
        box = max(near, key=lambda box: box.score)
        labels.append(label)
        ratios.append(side / max(box.width, box.height))
        crops.setdefault("label's box", []).append(
            photo[int(top) : int(bottom), int(left) : int(right)]
        )
        for margin in MARGINS:
            crops.setdefault(f"{margin:+.3f}", []).append(crop_face(photo, box, margin))
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    print(
        f"{name}: {len(labels)} faces, {missed} missed; side / longer side of the box: "
        f"{middle:.3f} ({low:.3f}-{high:.3f})"
    )
    for title, network in networks.items():
        for kind, images in crops.items():
            print(
                f"  {title}  {kind:12s} "
                f"{np.mean(answers_of(network, images, title).argmax(axis=1) == labels):.3f}"
            )


if __name__ == "__main__":
    typer.run(main)
