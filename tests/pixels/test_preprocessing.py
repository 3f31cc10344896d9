import cv2
import numpy as np
import pytest

from fer_core.base.errors import ParamsError
from fer_core.base.params import parse_section
from fer_core.pixels.preprocessing import Preprocessing

PLAIN = {
    "size": 48,
    "crop": 1.0,
    "clahe": False,
    "clahe_clip": 2.0,
    "clahe_tile": 8,
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
}


def make(**changes: object) -> Preprocessing:
    return Preprocessing(**(PLAIN | changes))


def test_dict_round_trip_keeps_value_and_hash() -> None:
    value = make(clahe=True)
    assert Preprocessing.from_dict(value.to_dict()) == value
    assert Preprocessing.from_dict(value.to_dict()).hash() == value.hash()


@pytest.mark.parametrize(
    "change",
    [{"size": 64}, {"crop": 0.87}, {"clahe": True}, {"clahe_clip": 3.0}, {"mean": (0.5, 0.5, 0.4)}],
)
def test_hash_changes_with_every_field(change: dict[str, object]) -> None:
    assert make(**change).hash() != make().hash()


def test_foreign_keys_are_refused() -> None:
    with pytest.raises(ParamsError, match="another version"):
        Preprocessing.from_dict(make().to_dict() | {"blur": 1})


@pytest.mark.parametrize(
    "change", [{"size": 3}, {"crop": 0.0}, {"std": (0.5, 0.0, 0.5)}, {"clahe_tile": 40}]
)
def test_value_out_of_range_names_its_key(change: dict[str, object]) -> None:
    with pytest.raises(ParamsError, match=f"preprocessing.{next(iter(change))}"):
        make(**change)


def test_unknown_key_in_params_is_an_error_that_names_it() -> None:
    with pytest.raises(ParamsError, match="sharpen"):
        parse_section("preprocessing", PLAIN | {"sharpen": True}, Preprocessing)


def test_image_of_the_right_size_is_untouched() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    assert np.array_equal(make().prepare(image), image)


def test_centre_square_of_a_wide_image_is_kept() -> None:
    image = np.zeros((48, 96, 3), np.uint8)
    image[:, 24:72] = 200
    assert (make().prepare(image) == 200).all()


def test_crop_cuts_the_border() -> None:
    image = np.zeros((60, 60, 3), np.uint8)
    image[6:54, 6:54] = 90
    assert (make(crop=0.8).prepare(image) == 90).all()


def test_clahe_is_opencvs_on_lightness() -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(2.0, (8, 8)).apply(lab[..., 0])
    assert np.array_equal(make(clahe=True).prepare(image), cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))
