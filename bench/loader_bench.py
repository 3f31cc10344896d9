"""Training images a second and core: our bank of decoded images and batched views against the usual
loader.

Run: python -m bench.loader_bench [--size 224] [--images 512] [--rounds 3] [--stream]

The usual loader is what FER projects have: for each image and epoch PIL opens the file, torchvision
crops, flips and jitters it, OpenCV equalises it (CLAHE on L of LAB), ToTensor and Normalize follow,
and a batch is stacked. Ours decodes each file once, then cuts and colours whole batches. The same
JPEG files, the same strengths, one thread each, epochs in turns in one process. Our first epoch,
with decoding, is counted on its own. With --stream a column says how many images/s ours gives where
memory has no room for any and each is decoded again in every epoch.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import typer
from PIL import Image
from torchvision import transforms

from bench.scale_bench import encoded
from fer_core.dataset.pack.pack import Pack, PackOptions, write_pack
from fer_core.dataset.pack.rows import ROWS_SCHEMA
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions
from fer_core.pixels.opencv import cv2
from fer_core.pixels.preprocessing import Preprocessing

BATCH = 64
_NO_ROOM = 1e-9
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VIEWS = ViewOptions(
    count=8,
    scale=(0.7, 1.0),
    ratio=(0.75, 1.333),
    flip=0.5,
    brightness=0.2,
    contrast=0.2,
    saturation=0.1,
    hue=0.02,
)


def main(size: int = 224, images: int = 512, rounds: int = 3, stream: bool = False) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(
        f"{size} px, {images} JPEG faces of 100 px, 1 thread, best of {rounds} rounds; images/s\n"
    )
    columns = [
        "CLAHE",
        "usual loader",
        "ours",
        "ratio",
        "ours, first epoch",
        *(["ours, streamed"] if stream else []),
    ]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    with tempfile.TemporaryDirectory() as folder:
        files = _files(Path(folder), images)
        pack = _pack(Path(folder) / "pack", files)
        for clahe in (False, True):
            usual = _usual(size, clahe)
            preprocessing = Preprocessing(size, 1.0, clahe, 2.0, 8, MEAN, STD)
            started = time.perf_counter()
            bank = ImageBank(pack, range(len(files)), preprocessing, VIEWS, 1, torch.device("cpu"))
            opening = time.perf_counter() - started
            streamed = ImageBank(
                pack, range(len(files)), preprocessing, VIEWS, 1, torch.device("cpu"), _NO_ROOM
            )
            best = {"usual": float("inf"), "ours": float("inf"), "streamed": float("inf")}
            for epoch in range(rounds):
                best["ours"] = min(best["ours"], _epoch_of_bank(bank, len(files), epoch))
                if stream:
                    best["streamed"] = min(
                        best["streamed"], _epoch_of_bank(streamed, len(files), epoch)
                    )
                best["usual"] = min(best["usual"], _epoch_of_loader(files, usual))
            rates = {name: len(files) / seconds for name, seconds in best.items()}
            first = len(files) / (opening + best["ours"])
            row = [
                f"{rates['usual']:,.0f}",
                f"{rates['ours']:,.0f}",
                f"{rates['ours'] / rates['usual']:.1f}",
                f"{first:,.0f}",
            ]
            row += [f"{rates['streamed']:,.0f}"] if stream else []
            print(f"| {'on' if clahe else 'off'} | {' | '.join(row)} |")


def _epoch_of_bank(bank: ImageBank, count: int, epoch: int) -> float:
    order = np.random.default_rng(epoch).permutation(count)
    batches = [order[at : at + BATCH] for at in range(0, count, BATCH)]
    started = time.perf_counter()
    bank.expect(batches)
    for batch in batches:
        bank.view(batch, 1 + epoch)
    return time.perf_counter() - started


def _epoch_of_loader(files: list[Path], transform: transforms.Compose) -> float:
    order = np.random.default_rng(0).permutation(len(files))
    started = time.perf_counter()
    for at in range(0, len(files), BATCH):
        torch.stack(
            [transform(Image.open(files[index]).convert("RGB")) for index in order[at : at + BATCH]]
        )
    return time.perf_counter() - started


def _usual(size: int, clahe: bool) -> transforms.Compose:
    equaliser = cv2.createCLAHE(2.0, (8, 8))

    def equalise(image: Image.Image) -> Image.Image:
        lab = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2LAB)
        lab[..., 0] = equaliser.apply(lab[..., 0])
        return Image.fromarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))

    return transforms.Compose(
        [
            transforms.RandomResizedCrop(size, VIEWS.scale, VIEWS.ratio),
            transforms.RandomHorizontalFlip(VIEWS.flip),
            *([equalise] if clahe else []),
            transforms.ColorJitter(VIEWS.brightness, VIEWS.contrast, VIEWS.saturation, VIEWS.hue),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )


def _files(folder: Path, count: int) -> list[Path]:
    files = [folder / f"{number:06}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(encoded(number, 85))
    return files


def _pack(folder: Path, files: list[Path]) -> Pack:
    images = [file.read_bytes() for file in files]
    frame = pd.DataFrame(
        {
            "sample_id": [f"bench/{file.name}" for file in files],
            "source": "bench",
            "label": np.arange(len(files)) % 7,
        }
    )
    frame = frame.assign(
        split="train", usage="", group=frame["sample_id"], width=100, height=100, min_side=100
    )
    frame = frame.assign(confidence=None, weight=1.0, votes=None)
    columns = [name for name in ROWS_SCHEMA.names if name not in ("shard", "shard_row")]
    sizes = np.array([len(image) for image in images], dtype=np.int64)
    write_pack(folder, frame[columns], images.__getitem__, sizes, PackOptions(shard_megabytes=64))
    return Pack.open(folder)


if __name__ == "__main__":
    typer.run(main)
