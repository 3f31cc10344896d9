"""Damage that decoders fill in without a word."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_core.pixels.damage import check_whole
from fer_core.pixels.decode import UndecodableImage, decode_rgb
from tests.sources.trees import encoded, picture

IMAGE = picture(1, 96, 128)


def jpegs() -> dict[str, bytes]:
    """Sound JPEGs of all kinds."""
    found = {
        "colour": encoded(IMAGE, ".jpg"),
        "grey": encoded(IMAGE[..., 0], ".jpg"),
        "progressive": cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
        "restarts": cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_RST_INTERVAL, 4])[1].tobytes(),
    }
    for mode in ("CMYK", "RGB"):
        stream = io.BytesIO()
        Image.fromarray(IMAGE).convert(mode).save(stream, "JPEG", keep_rgb=True)
        found[mode] = stream.getvalue()
    return found


@pytest.mark.parametrize("kind", jpegs())
def test_sound_pictures_pass(kind: str) -> None:
    check_whole(jpegs()[kind], "x")
    check_whole(encoded(IMAGE), "x")


def damaged(data: bytes, how: str, share: float) -> bytes:
    start = data.find(b"\xff\xda") + 14
    place = start + int(share * (len(data) - start - 80))
    if how == "zeroed":
        return data[:place] + bytes(64) + data[place + 64 :]
    if how == "flipped":
        return data[:place] + bytes(255 - byte for byte in data[place:][:64]) + data[place + 64 :]
    if how == "cut":
        return data[:place] + b"\xff\xd9"
    frame = data.find(b"\xff\xc0")
    return data[: frame + 5] + struct.pack(">H", 960) + data[frame + 7 :]


@pytest.mark.parametrize("how", ["zeroed", "flipped", "cut", "taller"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_damaged_scan_is_named_although_it_is_decoded(how: str, share: float) -> None:
    noisy = np.random.default_rng(0).normal(0, 12, IMAGE.shape) + IMAGE
    data = damaged(encoded(np.clip(noisy, 0, 255).astype(np.uint8), ".jpg"), how, share)
    assert decode_rgb(data, "x").shape[1] == 128
    with pytest.raises(UndecodableImage, match=r"(?s)image is damaged.*x.*(JPEG|marker)"):
        check_whole(data, "x")


def test_a_jpeg_of_hundreds_of_scans_is_refused_before_it_is_decoded() -> None:
    data = jpegs()["progressive"]
    scan = data.rfind(b"\xff\xda")
    for times, refused in ((10, False), (300, True)):
        many = data[:scan] + data[scan:-2] * times + b"\xff\xd9"
        if refused:
            with pytest.raises(UndecodableImage, match=r"scans, more than the 64 allowed"):
                decode_rgb(many, "x")
        else:
            decode_rgb(many, "x")


def test_a_bitmap_whose_pixels_begin_in_its_header_is_refused() -> None:
    data = encoded(IMAGE, ".bmp")
    with pytest.raises(UndecodableImage, match="begin inside its header"):
        decode_rgb(data[:10] + struct.pack("<I", 0) + data[14:], "x")
