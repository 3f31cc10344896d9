import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.dataset.cleaning.cleaning import examine
from fer_core.pixels.decode import UndecodableImage, decode_rgb
from fer_core.sources.catalogue.faces import Exclusion, Face
from fer_core.sources.images.photos import as_usual_format
from tests.sources.trees import encoded, picture

IMAGE = picture(1, 33, 57)
HUGE = (
    (256, 60000),
    (257, 60000),
    (273, 8),
    (279, 9),
)  # width, height, where the strip is and its size
RARE = [".tiff", ".gif"]


@pytest.mark.parametrize("suffix", RARE)
def test_rare_formats_become_png_with_the_same_pixels(suffix):
    data = encoded(IMAGE, suffix)
    png = as_usual_format(data, "x")
    assert png.startswith(b"\x89PNG")
    np.testing.assert_array_equal(
        decode_rgb(png, "x")[..., ::-1],
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR),
    )
    if suffix == ".tiff":
        np.testing.assert_array_equal(decode_rgb(png, "x")[..., ::-1], IMAGE)


@pytest.mark.parametrize("suffix", RARE)
def test_a_face_in_a_rare_format_is_stored_in_a_usual_one(suffix):
    item, row = examine(Face("s/a", encoded(IMAGE, suffix), 0, "train", "", "s/a"), 10_000)
    assert (
        row is not None and row.image.startswith(b"\x89PNG") and (row.width, row.height) == (57, 33)
    )
    excluded, none = examine(
        Face("s/a", encoded(IMAGE, suffix)[:-40], 0, "train", "", "s/a"), 10_000
    )
    assert isinstance(item, Face) and isinstance(excluded, Exclusion) and none is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_usual_formats_and_anything_else_stay_as_they_are(suffix):
    for data in (encoded(IMAGE, suffix), b"", b"GIF", b"<html>"):
        assert as_usual_format(data, "x") is data


@pytest.mark.parametrize("suffix", RARE)
def test_cut_file_is_refused_wherever_it_is_cut(suffix):
    data = encoded(IMAGE, suffix)
    for length in sorted(
        {9, 20, 27, len(data) // 4, len(data) // 2, len(data) - 20, len(data) - 2}
    ):
        with pytest.raises(UndecodableImage, match=r"(?s)where: some/file"):
            as_usual_format(data[:length], "some/file")


@pytest.mark.parametrize("suffix", RARE)
def test_pixel_limit_is_exact(suffix):
    data = encoded(picture(1, 10, 20), suffix)
    as_usual_format(data, "x", max_pixels=200)
    with pytest.raises(UndecodableImage, match=r"(?s)20 x 10.*199"):
        as_usual_format(data, "x", max_pixels=199)


@pytest.mark.parametrize(
    "bomb",
    [
        b"II*\0"
        + struct.pack("<IH", 8, 4)
        + b"".join(
            struct.pack("<HHII", tag, 4, 1, n)
            for tag, n in ((256, 60000), (257, 60000), (273, 8), (279, 9))
        ),
        b"GIF89a"
        + struct.pack("<HHBBB", 60000, 60000, 0, 0, 0)
        + b","
        + struct.pack("<HHHHB", 0, 0, 9, 9, 0)
        + b"\2\1\1\0;",
        b"MM\0*" + struct.pack(">IHHHII", 8, 1, 273, 4, 0xFFFFFFFF, 8),
        b"II*\0" + struct.pack("<IH", 8, 65535),
    ],
    ids=["tiff", "gif", "values", "tags"],
)
def test_bombs_are_refused_before_they_are_decoded(monkeypatch, bomb):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UndecodableImage):
        as_usual_format(bomb, "x")


@settings(max_examples=200, deadline=None)
@given(
    suffix=st.sampled_from(RARE),
    place=st.integers(0, 10_000),
    value=st.integers(0, 255),
    cut=st.integers(0, 10_000),
)
def test_damage_never_gives_anything_but_an_image_or_our_error(suffix, place, value, cut):
    data = bytearray(encoded(picture(1, 12, 12), suffix))
    data[place % len(data)] = value
    damaged = bytes(data[: len(data) - cut % len(data)])
    try:
        as_usual_format(damaged, "x", max_pixels=100_000)
    except DataError as error:
        assert error.where == "x"


def test_damaged_files_and_pillows_own_limits_say_nothing_on_stderr():
    code = (
        "from fer_core.base.errors import DataError\n"
        "from fer_core.sources.images.photos import as_usual_format\n"
        "for data in (b'II*\\0' + b'\\x08\\0\\0\\0\\xff\\xff', b'GIF89a' + b'\\xff' * 40):\n"
        "    try:\n"
        "        as_usual_format(data, 'x', 10**12)\n"
        "    except DataError:\n"
        "        print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\nrefused\n", "")
