from pathlib import Path

import numpy as np
import pytest

from fer_core.dataset.pack.pack import Pack
from fer_core.export.onnx.faces import calib_faces
from fer_core.pixels.decode import decode_rgb
from tests.exports import PREPROCESSING, write_test_pack


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return write_test_pack(tmp_path_factory.mktemp("pack") / "dev", 30, ("train", "calib", "val"))


def normalised(pack: Pack, row: int) -> np.ndarray:
    pixels = (
        PREPROCESSING.prepare(decode_rgb(pack.image(row), where="face")).transpose(2, 0, 1) / 255
    )
    mean, std = (
        np.array(values).reshape(3, 1, 1) for values in (PREPROCESSING.mean, PREPROCESSING.std)
    )
    return (pixels - mean) / std


def test_faces_are_of_calib_rows_as_the_network_takes_them(dev: Pack) -> None:
    found = calib_faces(dev, PREPROCESSING, 100, 1)
    rows = [row for row, split in enumerate(dev.rows.frame["split"]) if split == "calib"]
    assert (found.shape, found.dtype) == (
        (10, 3, PREPROCESSING.size, PREPROCESSING.size),
        np.float32,
    )
    for face, row in zip(found, rows, strict=True):
        np.testing.assert_allclose(face, normalised(dev, row), atol=1e-5)


def test_fewer_faces_are_spread_over_all_rows(dev: Pack) -> None:
    every, few = calib_faces(dev, PREPROCESSING, 100, 1), calib_faces(dev, PREPROCESSING, 4, 1)
    np.testing.assert_array_equal(few, every[[0, 3, 6, 9]])


def test_pack_without_calib_rows_gives_no_face(tmp_path: Path) -> None:
    assert (
        len(calib_faces(write_test_pack(tmp_path / "dev", 3, ("train",)), PREPROCESSING, 10, 1))
        == 0
    )
