"""Test-time augmentation: a network's answers for several cuts of a face, averaged as
probabilities.

"flip" takes the face and its mirror image; "ten_crop" the four corners and the centre of the
resized face, and their mirror images (Krizhevsky et al., "ImageNet Classification with Deep
Convolutional Neural Networks", 2012).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from tqdm import tqdm

from fer_core.base.errors import ParamsError
from fer_core.base.labels import N_CLASSES
from fer_core.base.logs import progress_off
from fer_core.dataset.pack.pack import Pack
from fer_core.models.networks.saved import load_model
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.preprocessing import Preprocessing

__all__ = ["Cuts", "averaged_logits"]

Cuts = Literal["flip", "ten_crop"]
_AT_ONCE = 64


def averaged_logits(model: Path, pack: Pack, cuts: Cuts) -> np.ndarray:
    """Log of the mean probabilities of every row of a half of the pack, float32 [N, 7].

    Args:
        model: folder of a saved network.
        pack: the half.
        cuts: what is averaged.

    Raises:
        ParamsError: ten crops of a network that sees the whole face: all would be the same.
    """
    network, card = load_model(model)
    preprocessing = card.preprocessing
    if cuts == "ten_crop" and preprocessing.resized == preprocessing.size:
        raise ParamsError(
            "This network sees the whole face, so that there are no ten crops of it.",
            where=model,
            found=f"preprocessing.crop {preprocessing.crop}",
            expected="below 1",
            remedy="--over flip",
        )
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std)
    )
    found = np.empty((len(pack), N_CLASSES), dtype=np.float32)
    bar = tqdm(range(0, len(pack), _AT_ONCE), desc=cuts, leave=False, disable=progress_off())
    for start in bar:
        rows = range(start, min(start + _AT_ONCE, len(pack)))
        faces = [list(_cut(pack.image(row), preprocessing, cuts)) for row in rows]
        pixels = torch.from_numpy(np.stack([image for face in faces for image in face]))
        images = (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std
        with torch.inference_mode():
            log_p = network(images).double().log_softmax(dim=1).view(len(faces), len(faces[0]), -1)
        of_rows = log_p.logsumexp(dim=1) - np.log(len(faces[0]))
        found[rows.start : rows.stop] = of_rows.numpy()
    return found


def _cut(data: bytes, preprocessing: Preprocessing, cuts: Cuts) -> Iterator[np.ndarray]:
    """The cuts of a face, uint8 [size, size, 3] each, equalised as the network expects."""
    square = preprocessing.square(decode_rgb(data, "the pack"))
    size, slack = preprocessing.size, preprocessing.resized - preprocessing.size
    places = [(slack // 2, slack // 2)]
    if cuts == "ten_crop":
        places += [(top, left) for top in (0, slack) for left in (0, slack)]
    equalise = preprocessing.equaliser() or (lambda image: image)
    for top, left in places:
        image = square[top : top + size, left : left + size]
        for shown in (image, image[:, ::-1]):
            yield equalise(np.ascontiguousarray(shown))
