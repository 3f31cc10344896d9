import struct

import cv2
import numpy as np
import pytest

from fer_core.pixels.decode import decode_rgb
from fer_core.sources.images.photos import as_usual_format, decode_photo, upright
from fer_core.sources.layouts.affectnet import READER as affectnet
from fer_core.sources.layouts.expw import READER as expw
from tests.sources.drawn import LAYOUTS
from tests.sources.trees import encoded, picture, read

PHOTO = picture(4, 60, 80)


def turned(image: np.ndarray, orientation: int, order: str = ">") -> bytes:
    """A JPEG whose EXIF record says how to hold it."""
    tag = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = (
        b"Exif\0\0"
        + {">": b"MM\0*", "<": b"II*\0"}[order]
        + struct.pack(f"{order}IH", 8, 1)
        + tag
        + bytes(4)
    )
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + data[2:]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_stored_pixels_turned_are_the_picture_as_it_is_shown(orientation, order):
    data = turned(PHOTO, orientation, order)
    stored = decode_photo(data, "x")
    assert stored.pixels.shape == (60, 80, 3) and stored.orientation == orientation
    np.testing.assert_array_equal(stored.pixels, decode_rgb(turned(PHOTO, 1), "x"))
    np.testing.assert_array_equal(upright(*stored), decode_rgb(data, "x"))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_without_exif_stored_pixels_are_those_that_are_shown(suffix):
    data = encoded(PHOTO, suffix)
    stored = decode_photo(data, "x")
    assert stored.orientation == 1
    np.testing.assert_array_equal(stored.pixels, decode_rgb(as_usual_format(data, "x"), "x"))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(orientation):
    assert decode_photo(turned(PHOTO, orientation), "x").orientation == 1


BOX = (5, 10, 45, 30)  # top, left, bottom, right of the stored pixels: taller than wide


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_boxes_of_expw_and_affectnet_count_stored_pixels_and_faces_come_out_upright(
    tmp_path, orientation
):
    photo = turned(PHOTO, orientation)
    expected = upright(
        decode_photo(photo, "x").pixels[BOX[0] : BOX[2], BOX[1] : BOX[3]], orientation
    )
    (tmp_path / "expw/image/origin").mkdir(parents=True)
    (tmp_path / "expw/image/origin/a.jpg").write_bytes(photo)
    (tmp_path / "expw/label.lst").write_text(f"a.jpg 0 {BOX[0]} {BOX[1]} {BOX[3]} {BOX[2]} 99 3\n")
    (tmp_path / "affectnet").mkdir()
    LAYOUTS["affectnet"].build(tmp_path / "affectnet")
    (tmp_path / "affectnet/Manually_Annotated_Images/1/a.jpg").write_bytes(photo)
    table = tmp_path / "affectnet/Manually_Annotated_file_lists/training.csv"
    table.write_text(
        table.read_text().replace("1/a.jpg,10,10,30,40", f"1/a.jpg,{10},{5},{20},{40}")
    )
    for reader, folder in ((expw, "expw"), (affectnet, "affectnet")):
        crop = decode_rgb(read(reader, tmp_path / folder)[0][0].image, "x")
        assert crop.shape == expected.shape
        assert np.abs(crop.astype(int) - expected.astype(int)).mean() < 3
