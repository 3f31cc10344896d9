import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_core.dataset.cleaning.nonfaces import non_face
from fer_core.pixels.decode import decode_rgb
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.fer2013 import READER as fer2013
from tests.sources.trees import clean_options, picture


@pytest.mark.parametrize("level", [0, 128, 255])
def test_uniform_frame_is_blank(level):
    frame = np.full((48, 48), level, dtype=np.uint8)
    frame[::7, ::5] ^= 3  # compression noise
    assert non_face(frame) == "blank"
    assert non_face(np.dstack([frame] * 3)) == "blank"


@pytest.mark.parametrize(("ground", "ink"), [(255, 60), (0, 255)])
@pytest.mark.parametrize("side", [48, 200])
def test_text_on_a_plain_ground_is_flagged(ground, ink, side):
    frame = np.full((side, side), ground, dtype=np.uint8)
    for line in range(3):
        cv2.putText(
            frame,
            "not available",
            (side // 12, side * (2 + 3 * line) // 10),
            cv2.FONT_HERSHEY_SIMPLEX,
            side / 300,
            ink,
            1,
        )
    assert non_face(frame) == "text"


def test_pictures_and_dark_or_letterboxed_ones_pass():
    for seed in range(30):
        image = picture(seed, 48, 48)
        assert non_face(image) == ""
        assert non_face((image // 6).astype(np.uint8)) == ""
        boxed = image.copy()
        boxed[:12] = boxed[-12:] = 0
        assert non_face(boxed) == ""


def test_real_faces_pass_and_real_blanks_do_not():
    path = os.environ.get("FER_TEST_FER2013", "")
    if not path or not Path(path).exists():
        pytest.skip("set FER_TEST_FER2013 to the folder of the official fer2013.csv")
    root = Path(path) if Path(path).is_dir() else Path(path).parent
    flags = Counter(
        non_face(decode_rgb(face.image, ""))
        for face in fer2013.scan(open_tree(root), "fer2013", clean_options())
    )
    assert 10 <= flags["blank"] <= 15
    assert flags["text"] <= 45
