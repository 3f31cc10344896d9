import os
from itertools import islice, product
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.images import clahe
from fer_core.images.clahe import clahe_plane, clahe_rgb
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.sample.portrait import shoot
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.fer2013 import READER as fer2013
from tests.sources.trees import clean_options

SIZES = [(32, 32), (33, 64), (64, 33), (48, 48), (97, 113), (112, 112)]


def plane_by_opencv(planes, clip, tile):
    equaliser = cv2.createCLAHE(clip, (tile, tile))
    return np.stack([equaliser.apply(plane) for plane in planes])


def rgb_by_opencv(images, clip, tile):
    labs = [cv2.cvtColor(image, cv2.COLOR_RGB2LAB) for image in images]
    equaliser = cv2.createCLAHE(clip, (tile, tile))
    for lab in labs:
        lab[:, :, 0] = equaliser.apply(np.ascontiguousarray(lab[:, :, 0]))
    return np.stack([cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) for lab in labs])


def photo_like(generator, height, width):
    coarse = cv2.resize(
        generator.integers(0, 256, (6, 6, 3), dtype=np.uint8),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    return np.clip(coarse * 0.8 + generator.normal(20, 6, (height, width, 3)), 0, 255).astype(
        np.uint8
    )


def images_of_every_kind(height, width, seed=0):
    """Noise, two photo-like, the same in grey, ramps in colour and grey, a two-valued one, and
    constants.
    """
    generator = np.random.default_rng(seed)
    photo = photo_like(generator, height, width)
    down, across = np.linspace(0, 255, height), np.linspace(0, 255, width)
    ramp = np.stack(np.broadcast_arrays(down[:, None], across, 255 - across), axis=-1).astype(
        np.uint8
    )
    colours = [(0, 0, 0), (255, 255, 255), (127, 127, 127), (255, 0, 0), (12, 200, 90)]
    return np.stack(
        [
            generator.integers(0, 256, (height, width, 3), dtype=np.uint8),
            photo,
            photo_like(generator, height, width),
            photo[..., 1:2].repeat(3, axis=2),
            ramp,
            ramp[..., :1].repeat(3, axis=2),
            (generator.random((height, width, 1)) < 0.03).astype(np.uint8).repeat(3, axis=2) * 255,
            *(np.full((height, width, 3), colour, dtype=np.uint8) for colour in colours),
        ]
    )


@pytest.mark.parametrize(("size", "tile"), list(product(SIZES, [2, 4, 8])))
def test_rgb_equals_opencv_on_every_pixel(size, tile):
    images = images_of_every_kind(*size)
    for clip in (1.0, 2.0, 4.0, 40.0):
        found = clahe_rgb(torch.from_numpy(images), clip, tile).numpy()
        assert found.dtype == np.uint8
        assert int((found != rgb_by_opencv(images, clip, tile)).any(axis=-1).sum()) == 0


@pytest.mark.parametrize("size", [48, 100, 224])
def test_drawn_faces_in_colour_equal_opencv_on_every_pixel(size):
    images = np.stack(
        [shoot(3, "clahe", index, index, size, 2, freedom=1.0)[0] for index in range(7)]
    )
    assert np.array_equal(
        clahe_rgb(torch.from_numpy(images), 2.0, 8).numpy(), rgb_by_opencv(images, 2.0, 8)
    )


def real_images(number):
    """Pictures of the folder FER_TEST_IMAGES, or faces of the table in FER_TEST_FER2013."""
    folder, table = (
        Path(os.environ.get(name) or "/nowhere") for name in ("FER_TEST_IMAGES", "FER_TEST_FER2013")
    )
    if folder.is_dir():
        files = (
            file
            for file in sorted(folder.rglob("*"))
            if file.suffix.lower() in (".jpg", ".jpeg", ".png")
        )
        return [decode_rgb(file.read_bytes(), file) for file in islice(files, number)]
    if table.exists():
        faces = fer2013.scan(
            open_tree(table if table.is_dir() else table.parent), "fer2013", clean_options()
        )
        return [decode_rgb(face.image, face.sample_id) for face in islice(faces, number)]
    pytest.skip(
        "set FER_TEST_IMAGES to a folder of pictures, or FER_TEST_FER2013 to that of the official "
        "fer2013.csv"
    )


@pytest.mark.parametrize("size", [48, 112, 224])
def test_real_images_equal_opencv_on_every_pixel(size):
    value = Preprocessing(size, 1.0, True, 2.0, 8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    images = np.stack([value.square(image) for image in real_images(300)])
    assert np.array_equal(
        clahe_rgb(torch.from_numpy(images), 2.0, 8).numpy(), rgb_by_opencv(images, 2.0, 8)
    )


@settings(max_examples=150, deadline=None)
@given(
    size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    tile=st.integers(1, 9),
    clip=st.floats(0, 60) | st.sampled_from([0.0, 1.0, 2.0]),
    levels=st.sampled_from([1, 2, 9, 256]),
    seed=st.integers(0, 1000),
)
def test_planes_of_any_shape_equal_opencv(size, tile, clip, levels, seed):
    planes = np.random.default_rng(seed).integers(0, levels, (2, *size)).astype(np.uint8) * (
        255 // max(levels - 1, 1)
    )
    assert np.array_equal(
        clahe_plane(torch.from_numpy(planes), clip, tile).numpy(),
        plane_by_opencv(planes, clip, tile),
    )


def test_grey_images_stay_grey_within_opencvs_rounding():
    images = images_of_every_kind(50, 41)[[3, 5, 6]]
    found = clahe_rgb(torch.from_numpy(images), 2.0, 8).int()
    assert int((found.amax(dim=3) - found.amin(dim=3)).max()) <= 1
    assert found[0].float().std() > images[0].astype(np.float32).std()


def test_an_image_comes_out_the_same_alone_and_in_any_batch(monkeypatch):
    images = torch.from_numpy(images_of_every_kind(40, 36))
    whole = clahe_rgb(images, 3.0, 4)
    alone = torch.cat([clahe_rgb(image[None], 3.0, 4) for image in images])
    monkeypatch.setattr(clahe, "_CHUNK_CPU", 5 * (40 * 36 + 4 * 4 * 256))
    chunked = clahe_rgb(images, 3.0, 4)
    assert torch.equal(whole, alone)
    assert torch.equal(whole, chunked)
    assert torch.equal(
        clahe_plane(images[..., 0], 3.0, 4),
        torch.cat([clahe_plane(image[None, ..., 0], 3.0, 4) for image in images]),
    )


def test_strided_images_keep_their_layout_and_are_left_alone():
    images = images_of_every_kind(30, 44)
    channels_first = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    found = clahe_rgb(channels_first.permute(0, 2, 3, 1), 2.0, 8)
    assert np.array_equal(found.numpy(), rgb_by_opencv(images, 2.0, 8))
    assert found.permute(0, 3, 1, 2).is_contiguous()
    assert np.array_equal(channels_first.numpy(), images.transpose(0, 3, 1, 2))
    turned = torch.from_numpy(images[..., 0]).transpose(1, 2)
    assert np.array_equal(
        clahe_plane(turned, 2.0, 8).numpy(), plane_by_opencv(turned.numpy(), 2.0, 8)
    )


def test_tables_made_in_inference_mode_serve_outside_it():
    clahe._geometry.cache_clear()
    images = torch.from_numpy(images_of_every_kind(31, 31))
    with torch.inference_mode():
        inside = clahe_rgb(images, 2.0, 8).numpy()
    assert np.array_equal(clahe_rgb(images, 2.0, 8).numpy(), inside)


def test_an_empty_batch_gives_an_empty_batch():
    assert clahe_rgb(torch.empty(0, 8, 9, 3, dtype=torch.uint8), 2.0, 2).shape == (0, 8, 9, 3)


@pytest.mark.parametrize(
    ("images", "tile"),
    [
        (torch.zeros(1, 8, 8, 3), 2),
        (torch.zeros(8, 8, 3, dtype=torch.uint8), 2),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), 2),
        (torch.zeros(1, 0, 8, 3, dtype=torch.uint8), 2),
        (torch.zeros(1, 8, 8, 3, dtype=torch.uint8), 0),
    ],
)
def test_wrong_images_or_tiles_are_refused(images, tile):
    with pytest.raises(ValueError, match=r"uint8|at least one"):
        clahe_rgb(images, 2.0, tile)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("size", SIZES)
def test_an_accelerator_gives_the_same_pixels(size):
    images = images_of_every_kind(*size)
    found = clahe_rgb(torch.from_numpy(images).cuda(), 2.0, 8).cpu().numpy()
    assert np.array_equal(found, rgb_by_opencv(images, 2.0, 8))
