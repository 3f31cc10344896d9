"""The picture of docs/walk.md: one face of the sample on its way from a csv row to the predictor.

Run: python docs/walk_picture.py [sample_id]

Reads the artifacts of a finished run (`make repro`); writes docs/images/walk.svg.
"""

import base64
import sys
from html import escape
from pathlib import Path

import numpy as np
import torch

from fer_core.base.files import write_text
from fer_core.base.labels import CLASSES
from fer_core.base.params import Params
from fer_core.dataset.manifest.table import read_manifest
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.ensemble.ensemble import read_ensemble
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions
from fer_core.logits.store import read_logits
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.opencv import cv2
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.predictor import Predictor
from fer_core.targets.softlabels import read_softlabels

OUT = Path("docs/images/walk.svg")
FACE = "sample_fer2013/Training-0000726"
WIDTH, HEIGHT, ROW = 1000, 640, 150
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #222 } .small { font-size: 12px; fill: #666 }
.name { font-weight: 600 } .bar { fill: #2a6fb0 } .track { fill: #e3e6ea } .line { stroke: #b5bcc5 }
image { image-rendering: pixelated }
@media (prefers-color-scheme: dark) {
  text { fill: #eee } .small { fill: #aaa } .track { fill: #39424d } .bar { fill: #6cb0f0 }
}
"""


def picture(image: np.ndarray, x: float, y: float, side: int = 96) -> str:
    """An RGB image, uint8 [H, W, 3], as SVG."""
    data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    code = base64.b64encode(data).decode()
    return (
        f'<image x="{x}" y="{y}" width="{side}" height="{side}" '
        f'href="data:image/png;base64,{code}"/>'
    )


def words(x: float, y: float, name: str, *lines: str) -> str:
    """A heading and lines below it."""
    rows = [f'<text class="name" x="{x}" y="{y}">{escape(name)}</text>']
    for number, line in enumerate(lines):
        rows.append(
            f'<text class="small" x="{x}" y="{y + 18 * (number + 1)}">{escape(line)}</text>'
        )
    return "".join(rows)


def bars(values: np.ndarray, x: float, y: float) -> str:
    """Probabilities of the seven classes."""
    rows = []
    for number, (name, value) in enumerate(zip(CLASSES, values, strict=True)):
        top = y + 13 * number
        rows.append(
            f'<text class="small" x="{x}" y="{top + 9}">{name}</text>'
            f'<rect class="track" x="{x + 62}" y="{top}" width="90" height="9" rx="2"/>'
            f'<rect class="bar" x="{x + 62}" y="{top}" width="{90 * value:.1f}" height="9" rx="2"/>'
        )
    return "".join(rows)


def main(face: str) -> None:
    """Collect what every stage knows of the face, and draw it."""
    params = Params.load()
    manifest = read_manifest(Path("data/manifest.parquet")).set_index("sample_id").loc[face]
    pack = Pack.open(Path("data/pack/dev"))
    row = pack.rows.sample_ids.index(face)
    raw = decode_rgb(pack.image(row), 10**7)
    preprocessing = params.section("preprocessing", Preprocessing)
    bank = ImageBank(
        pack, [row], preprocessing, params.section("views", ViewOptions), 1, torch.device("cpu")
    )
    mean, std = (
        np.array(values)[:, None, None] for values in (preprocessing.mean, preprocessing.std)
    )
    views = []
    for k in range(5):
        view = bank.view(np.array([row]), k)[0].numpy() * std + mean
        views.append((view.transpose(1, 2, 0).clip(0, 1) * 255).round().astype(np.uint8))
    tags = list(params.section("teachers", dict))
    logits = {tag: read_logits(Path("data/logits") / tag / "dev", pack.rows, tag) for tag in tags}
    ensemble = read_ensemble(Path("data/ensemble"))
    place = logits[tags[0]].sample_ids.index(face)
    soft = read_softlabels(Path("data/softlabels"), pack.rows)
    train = [pack.rows.sample_ids[i] for i in pack.rows.split("train")].index(face)
    answer = Predictor(Path("data/onnx/student.fp32.onnx"), threads=1).predict([raw])
    label = CLASSES[int(manifest["label"])]
    teachers = [softmax(logits[tag].eval[place] / ensemble.temperatures[tag]) for tag in tags]

    parts = [
        words(
            20,
            34,
            "1  A row of fer2013.csv",
            f"{int(manifest['label'])}, “{raw[0, 0, 0]} {raw[0, 1, 0]} …”, Training",
        ),
        picture(raw, 20, 72),
        words(
            250,
            34,
            "2  clean, manifest, pack",
            face,
            f"label {label}, split {manifest['split']}",
            f"{raw.shape[1]} × {raw.shape[0]} pixels, no twin",
        ),
        words(560, 34, "3  the evaluation view, and K = 4 training views"),
        *(picture(view, 560 + 86 * k, 50, 80) for k, view in enumerate(views)),
        *(words(560 + 86 * k, 146, "", f"view {k}") for k in range(5)),
        words(20, 230, "4  teachers: logits of every view, calibrated"),
        *(
            words(20 + 190 * n, 256, tag) + bars(p, 20 + 190 * n, 266)
            for n, (tag, p) in enumerate(zip(tags, teachers, strict=True))
        ),
        words(640, 230, "5  ensemble and soft label"),
        bars(softmax(soft.logits[train, 0].astype(np.float64)), 640, 266),
        words(
            640,
            385,
            "",
            "weights " + ", ".join(f"{tag} {w:.2f}" for tag, w in ensemble.chosen.weights.items()),
        ),
        words(
            20,
            440,
            "6  student: learns from the same views",
            f"target of view k: soft label of view k, and the label {label}",
            "then calibrated on rows that nothing else uses, exported to ONNX",
        ),
        words(560, 440, "7  the predictor, with onnxruntime alone"),
        picture(raw, 560, 458),
        bars(answer.probabilities[0], 670, 462),
        words(850, 500, answer.labels[0], f"confidence {answer.confidence[0]:.2f}"),
    ]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT - 70}" role="img" '
        f'aria-label="One face from a csv row to the predictor"><style>{STYLE}</style>'
        f"{''.join(parts)}</svg>\n"
    )
    write_text(OUT, svg)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else FACE)
