import hashlib

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fer_core.dataset.store.imagehash import phash, pixel_sha256, thumbnail
from fer_core.pixels.decode import decode_rgb
from tests.sources.trees import encoded, picture

GREY = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def bits(one: int, other: int) -> int:
    return (one ^ other).bit_count()


@given(grey=GREY)
def test_grey_and_its_rgb_copy_have_one_pixel_hash(grey):
    assert pixel_sha256(grey) == pixel_sha256(np.dstack([grey] * 3))
    assert pixel_sha256(grey) == pixel_sha256(decode_rgb(encoded(grey), ""))


@given(grey=GREY, data=st.data())
def test_any_changed_pixel_changes_the_pixel_hash(grey, data):
    changed = np.dstack([grey] * 3).copy()
    y, x = (data.draw(st.integers(0, side - 1)) for side in grey.shape)
    changed[y, x, data.draw(st.integers(0, 2))] ^= np.uint8(data.draw(st.integers(1, 255)))
    assert pixel_sha256(changed) != pixel_sha256(grey)


def test_pixel_hash_knows_the_shape():
    values = np.arange(12, dtype=np.uint8)
    assert pixel_sha256(values.reshape(3, 4)) != pixel_sha256(values.reshape(4, 3))
    assert (
        pixel_sha256(values.reshape(3, 4)) == hashlib.sha256(b"3x4" + values.tobytes()).hexdigest()
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), side=st.integers(40, 160), quality=st.integers(60, 95))
def test_perceptual_hash_survives_rescaling_and_recompression(seed, side, quality):
    image = picture(seed, 96, 96)
    copy = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    copy = cv2.imdecode(
        cv2.imencode(".jpg", copy, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
    )
    assert bits(phash(thumbnail(image[..., ::-1])), phash(thumbnail(copy[..., ::-1]))) <= 8


def test_perceptual_hash_tells_pictures_apart():
    hashes = [phash(thumbnail(picture(seed, 64, 64))) for seed in range(40)]
    distances = [bits(hashes[i], hashes[j]) for i in range(40) for j in range(i)]
    assert min(distances) > 8
    assert 26 < np.mean(distances) < 37


@given(grey=GREY)
def test_perceptual_hash_fits_64_bits_and_is_that_of_the_grey_copy(grey):
    assert 0 <= phash(thumbnail(grey)) < 2**63  # the bit of the mean brightness is 0
    assert phash(thumbnail(grey)) == phash(thumbnail(np.dstack([grey] * 3)))


def test_perceptual_hash_ignores_brightness():
    grey = (picture(3, 64, 64, 1) // 2).astype(np.uint8)
    assert phash(thumbnail(grey)) == phash(thumbnail(grey + 50))
