"""Adaptation to a camera: a student before and after, on sessions of faces that it has not learnt
from, shown as a poor camera shows them.

Run: python -m bench.adapt_bench [--fer2013 FOLDER --fer2013-model FOLDER] [--out PAGE]

- Faces: drawn ones, with the sample's rows to replay and to measure offline; or FER2013: those of
  the sessions, val and offline faces are different parts of PublicTest, replayed ones of Training.
- Camera: darker, a colour cast, blur, noise, places and sizes that change, and a compressed video.
  A picture is in one session at most, and sessions are for learning, selection or judging.
- Everything else is what the stages do: the sessions are written, read by `webcam_session`, mixed
  with replayed rows, learnt from, and the held-out ones are replayed through both networks.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer

from bench.peers.sets import by_pixels, read_faces
from bench.poor_camera import SECONDS, SEED, SESSIONS, SHARE, Pictures, record
from fer_core.base import paths
from fer_core.base.files import write_text
from fer_core.base.labels import N_CLASSES
from fer_core.base.logs import setup_logging
from fer_core.base.settings import load_settings
from fer_core.dataset.manifest.table import read_clusters
from fer_core.dataset.pack.pack import Pack, PackOptions, write_pack
from fer_core.dataset.pack.rows import ROWS_SCHEMA
from fer_core.evaluation.adaptation.gate import judge_sessions, verdict
from fer_core.evaluation.calibration.calibration import short_temperature
from fer_core.evaluation.calibration.calibrators import Temperature
from fer_core.evaluation.comparison.gates import SetComparison, judge
from fer_core.evaluation.metrics.bootstrap import paired_differences
from fer_core.evaluation.metrics.clusters import cluster_codes
from fer_core.evaluation.metrics.metrics import measure, outcome_of
from fer_core.export.onnx.assembly import metadata_of
from fer_core.export.onnx.export import export_network, float_networks, save_networks
from fer_core.images.views import ViewOptions
from fer_core.live.recorded import RecordedSession, compare_sessions, read_session
from fer_core.live.replaying import replayed
from fer_core.models.networks.saved import load_model
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.opencv import cv2
from fer_core.predict.detection import YuNet
from fer_core.predict.fetching import detector_file
from fer_core.predict.predictor import Predictor
from fer_core.sample.portrait import shoot
from fer_core.sources.catalogue.faces import Face
from fer_core.sources.catalogue.options import CleanOptions, WebcamSessionOptions
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.webcam_session import READER
from fer_core.training.adaptation.adaptation import SessionRows, adapt
from fer_core.training.adaptation.options import AdaptOptions
from fer_core.training.loop.options import StudentTrainOptions
from fer_core.training.loop.run import Start, TrainingRun

PICTURES = 24
"""Of a session."""
_TITLE = "## Adaptation to a camera"
_PAGE = f"""{_TITLE}

What `python -m bench.adapt_bench --out docs/results/live.md` found: a student before and after
adaptation, on faces that it has not learnt from, shown dark, blurred, noisy and with a colour cast,
in a compressed video. Differences are after less before, with 95 % intervals (over segments of the
sessions, over faces offline, those of one picture or person together). A promotion needs both gates
([live](../live.md#adapting-to-a-camera)).
"""
_HEAD = (
    "| mode | macro-F1 of held-out sessions | flips a minute | macro-F1 offline | verdict |",
    "|---|---|---|---|---|",
)
NAMES = ("macro_f1", "minority_f1")
VIEWS = ViewOptions(
    count=4,
    scale=(0.8, 1.0),
    ratio=(0.9, 1.1),
    flip=0.5,
    brightness=0.1,
    contrast=0.1,
    saturation=0.05,
    hue=0.0,
)


@dataclass(frozen=True)
class World:
    """Faces by their use: to be shown, to be replayed, to select on, to be measured offline."""

    shown: Pictures
    replayed: Pictures
    val: Pictures
    offline: Pictures


def main(
    model: Annotated[
        Path, typer.Option(help="folder of a student of the sample, whose data are in data/")
    ] = Path("data/students/dkd-1337/model"),
    fer2013: Annotated[Path | None, typer.Option(help="folder of the official table")] = None,
    fer2013_model: Annotated[Path | None, typer.Option(help="folder of its student")] = None,
    out: Annotated[Path | None, typer.Option(help="page to write")] = None,
) -> None:
    """Adapt on drawn faces and, if they are given, on FER2013's; print the page."""
    setup_logging()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    parts = [_PAGE, _section("Drawn faces", model, _drawn())]
    if fer2013 is not None and fer2013_model is not None:
        parts.append(_section("FER2013", fer2013_model, _of_fer2013(fer2013)))
    page = "\n".join(parts)
    print(page)
    if out is not None:  # the page has other parts before this one
        before = out.read_text(encoding="utf-8").partition(_TITLE)[0] if out.is_file() else ""
        write_text(out, before + page)


def _section(title: str, model: Path, world: World) -> str:
    """The part of the page that is about one student."""
    with TemporaryDirectory() as name:
        root = Path(name)
        base = _exported(model, world, root / "base")
        record(world.shown, base, root / "sessions")
        faces = _faces_of(root / "sessions")
        _write_dev(root / "dev", world, faces)
        held_out = [read_session(path) for path in sorted((root / "sessions/test").iterdir())]
        before, lines = _replayed(held_out, base), []
        for mode in ("head", "norms"):
            _adapt(model, root, mode, _options(mode))
            adapted = _exported(root / mode / "model", world, root / mode)
            found = compare_sessions(before, _replayed(held_out, adapted))
            lines.append(_judged(mode, _offline(world.offline, base, adapted), found))
    learnt = sum(face.split == "train" for face in faces)
    counts = ", ".join(f"{count} {split}" for split, count in SESSIONS.items())
    table = "\n".join([*_HEAD, *lines])
    return f"""### {title}

{load_model(model)[1].arch}; sessions of {SECONDS} s ({counts}), of which none shows a picture of
another; {learnt} faces learnt from, with two replayed ones for each; {found["segments"]} segments
held out; {len(world.offline.labels)} faces offline, which no session shows.

{table}
"""


def _options(mode: str) -> AdaptOptions:
    train = StudentTrainOptions(
        epochs=10,
        batch=32,
        lr=0.002,
        min_lr=1e-5,
        weight_decay=0.0,
        lr_warmup_epochs=1,
        balance="none",
        grad_clip=1.0,
        precision="fp32",
    )
    return AdaptOptions.model_validate(
        {
            "sources": ["webcam"],
            "mode": mode,
            "replay": 2.0,
            "proximity": 0.01,
            "train": train,
        }
    )


def _drawn() -> World:
    images, labels = [], []
    for number in range(SHARE * PICTURES):
        label = number % N_CLASSES
        bgr, _ = shoot(7, "adapt", number, label, 120, 2, freedom=0.3)
        images.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        labels.append(label)
    dev, test = Pack.open(Path("data/pack/dev")), Pack.open(Path("data/pack/test"))
    return World(
        Pictures(images, np.array(labels), np.arange(len(labels))),
        _of_pack(dev, "train"),
        _of_pack(dev, "val"),
        _of_pack(test, "test"),
    )


def _of_pack(pack: Pack, split: str) -> Pictures:
    rows = pack.rows.split(split)
    images = [decode_rgb(pack.image(int(row)), str(row)) for row in rows]
    ids = [pack.rows.sample_ids[row] for row in rows]
    clusters = cluster_codes(ids, read_clusters(paths.MANIFEST, ids))
    return Pictures(images, pack.rows.labels[rows].astype(np.int64), clusters)


def _of_fer2013(table: Path) -> World:
    public, training = (read_faces(table, usage) for usage in ("PublicTest", "Training"))
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(public.labels))
    ends = np.cumsum([SHARE * PICTURES, 900])
    shown, val, offline = np.split(order, ends)
    known = rng.permutation(len(training.labels))[:4000]
    tested, learnt = (
        Pictures(faces.images, faces.labels, by_pixels(faces.images))
        for faces in (public, training)
    )
    return World(tested.of(shown), learnt.of(known), tested.of(val), tested.of(offline))


def _faces_of(root: Path) -> list[Face]:
    options = CleanOptions(
        allow_undecodable=0,
        max_pixels=10_000_000,
        webcam_session=WebcamSessionOptions(min_gap=5),
    )
    items = READER.scan(open_tree(root), "webcam", options)
    return [item for item in items if isinstance(item, Face) and item.split != "test"]


def _write_dev(folder: Path, world: World, faces: list[Face]) -> None:
    """Replayed train and val rows, and those of the sessions."""
    records: list[dict[str, Any]] = []
    images = []
    for split, pictures in (("train", world.replayed), ("val", world.val)):
        for image, label in zip(pictures.images, pictures.labels, strict=True):
            done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            assert done
            name = f"base/{len(records):06d}"
            records.append({"sample_id": name, "source": "base", "label": label, "split": split})
            images.append(data.tobytes())
    for face in sorted(faces, key=lambda face: face.sample_id):
        of_face = {"sample_id": face.sample_id, "label": face.label, "split": face.split}
        records.append({"source": "webcam", **of_face})
        images.append(face.image)
    frame = pd.DataFrame(records).assign(
        usage="", width=48, height=48, min_side=48, confidence=None, weight=1.0, votes=None
    )
    frame["group"] = frame["sample_id"]
    columns = [name for name in ROWS_SCHEMA.names if name not in ("shard", "shard_row")]
    sizes = np.array([len(image) for image in images], dtype=np.int64)
    write_pack(folder, frame[columns], images.__getitem__, sizes, PackOptions(shard_megabytes=64))


def _adapt(model: Path, root: Path, mode: str, options: AdaptOptions) -> None:
    network, card = load_model(model)
    settings = load_settings().model_copy(update={"runs": root / "runs"})
    rows = SessionRows(("webcam",), options.replay, SEED)
    run = TrainingRun(
        f"adapt/{mode}", SEED, Pack.open(root / "dev"), rows, VIEWS, settings, torch.device("cpu")
    )
    start = Start(card.arch, network, card.preprocessing, card.weights_sha256)
    adapt(run, root / mode, start, options)


def _exported(model: Path, world: World, folder: Path) -> Path:
    """The student as ONNX, with the temperature that val faces ask for."""
    network, card = load_model(model)
    folder.mkdir(exist_ok=True)
    networks = float_networks(export_network(network, card.preprocessing.size, 18), ("fp32",))

    def save(temperature: float) -> Path:
        metadata = metadata_of(card, Temperature(temperature), "measured only")
        return save_networks(networks, metadata, folder, "student")["fp32"]

    logits = _logits(save(1.0), world.val)
    return save(short_temperature(logits, world.val.labels, where=model))


def _logits(file: Path, pictures: Pictures) -> np.ndarray:
    return Predictor(file, threads=1).predict(pictures.images, batch=64).logits


def _replayed(sessions: list[RecordedSession], model: Path) -> list[RecordedSession]:
    predictor, yunet = Predictor(model, threads=1), YuNet(detector_file())
    return [replayed(session, predictor, yunet) for session in sessions]


def _offline(faces: Pictures, base: Path, adapted: Path) -> SetComparison:
    """Both networks on faces that no session shows."""
    a, b = (outcome_of(_logits(file, faces), faces.labels, 15, 1.0) for file in (adapted, base))
    change = paired_differences([a], [b], NAMES, 1000, SEED, faces.clusters)
    return SetComparison("offline", len(a), measure(b, names=NAMES), change)


def _judged(mode: str, offline: SetComparison, found: dict[str, Any]) -> str:
    """A line of the table: before and after, and what both gates say."""
    score, flips = found["macro_f1_present"], found["flips_per_min"]
    low, high = score["interval"]
    results = [judge("regression", [offline]), judge_sessions(found)]
    f1 = offline.difference["macro_f1"]
    cells = [
        f"`{mode}`",
        f"{score['before']:.3f} → {score['after']:.3f}: {score['difference']:+.3f} "
        f"({low:+.3f} to {high:+.3f})",
        f"{flips['before']['scored']:.1f} → {flips['after']['scored']:.1f}",
        f"{offline.baseline['macro_f1']:.3f} {f1.value:+.3f} ({f1.low:+.3f} to {f1.high:+.3f})",
        verdict(results),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    typer.run(main)
