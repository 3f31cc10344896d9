import numpy as np

from fer_core.pixels.decode import decode_rgb
from fer_core.sources.catalogue.options import CropOptions
from fer_core.sources.images.crops import cut_face
from fer_core.sources.images.photos import decode_photo
from tests.sources.trees import encoded, picture

DATA = encoded(picture(3, 40, 50))
PHOTO = decode_photo(DATA, "")
BEST = CropOptions(quality=100)


def test_face_in_a_box_is_encoded_again():
    cut = cut_face(DATA, PHOTO, (5, 10, 35, 30), 0.0, BEST, "")
    assert cut is not None and cut.note == ""
    crop = decode_rgb(cut.image, "")
    assert crop.shape == (30, 20, 3)
    assert np.abs(crop.astype(int) - PHOTO.pixels[5:35, 10:30].astype(int)).mean() < 2


def test_box_of_the_whole_photo_gives_its_own_bytes():
    assert cut_face(DATA, PHOTO, (0, 0, 40, 50), 0.0, BEST, "") == (DATA, "")
    assert cut_face(DATA, PHOTO, (-9, -9, 99, 99), 0.0, BEST, "") == (
        DATA,
        "box clipped to the photo",
    )
    assert cut_face(DATA, PHOTO, (0, 0, 40, 49), 0.0, BEST, "") != (DATA, "")


def test_padding_can_reach_the_edges():
    assert cut_face(DATA, PHOTO, (10, 10, 30, 40), 0.5, BEST, "") == (
        DATA,
        "box clipped to the photo",
    )


def test_box_without_area_in_the_photo_gives_nothing():
    for box in ((5, 10, 5, 30), (5, 30, 35, 10), (40, 0, 60, 20), (0, -20, 20, 0)):
        assert cut_face(DATA, PHOTO, box, 0.0, BEST, "") is None
