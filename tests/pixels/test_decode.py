import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.pixels.decode import UndecodableImage, decode_rgb, image_size
from tests.sources.trees import encoded, picture

FORMATS = [".png", ".jpg", ".bmp", ".webp"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_header_gives_the_size_that_the_decoder_finds(suffix, channels):
    image = picture(1, 33, 57, channels)
    data = encoded(image, suffix)
    assert image_size(data, "x") == (57, 33)
    decoded = decode_rgb(data, "x")
    assert decoded.shape == (33, 57, 3) and decoded.dtype == np.uint8
    if suffix in (".png", ".bmp"):
        np.testing.assert_array_equal(
            decoded[..., ::-1], image if channels == 3 else np.dstack([image] * 3)
        )


def test_lossless_webp_and_progressive_jpeg_have_sizes_too():
    image = picture(1, 33, 57)
    lossless = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    np.testing.assert_array_equal(decode_rgb(lossless, "x")[..., ::-1], image)
    progressive = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert image_size(progressive, "x") == (57, 33)


@pytest.mark.parametrize("suffix", FORMATS)
def test_cut_file_is_refused_wherever_it_is_cut(suffix):
    data = encoded(picture(1, 33, 57), suffix)
    for length in sorted(
        {0, 1, 4, 9, 20, 27, len(data) // 4, len(data) // 2, len(data) - 20, len(data) - 2}
    ):
        with pytest.raises(UndecodableImage, match=r"(?s)where: some/file"):
            decode_rgb(data[:length], "some/file")


@pytest.mark.parametrize("suffix", FORMATS)
def test_pixel_limit_is_exact(suffix):
    data = encoded(picture(1, 10, 20), suffix)
    decode_rgb(data, "x", max_pixels=200)
    with pytest.raises(UndecodableImage, match=r"(?s)20 x 10.*at most 199"):
        decode_rgb(data, "x", max_pixels=199)


def test_bomb_is_refused_before_it_is_decoded(monkeypatch):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UndecodableImage, match="60000 x 60000"):
        decode_rgb(bomb, "x")


def test_png_with_too_few_rows_is_refused():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 48, 48, 8, 0, 0, 0, 0)
    half = zlib.compress(b"".join(b"\0" + bytes(range(48)) for _ in range(24)))
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", half) + chunk(b"IEND", b"")
    )
    with pytest.raises(UndecodableImage):
        decode_rgb(data, "x")


def test_damaged_png_pixels_are_refused():
    data = bytearray(encoded(picture(1, 33, 57)))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(UndecodableImage, match="checksum"):
        decode_rgb(bytes(data), "x")


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a" + bytes(40), b"<html>not found</html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"],
)
def test_what_is_no_image_is_refused(data):
    with pytest.raises(UndecodableImage):
        decode_rgb(data, "x")


@settings(max_examples=200, deadline=None)
@given(
    suffix=st.sampled_from(FORMATS),
    place=st.integers(0, 10_000),
    value=st.integers(0, 255),
    cut=st.integers(0, 10_000),
)
def test_damage_never_gives_anything_but_an_image_or_our_error(suffix, place, value, cut):
    data = bytearray(encoded(picture(1, 12, 12), suffix))
    data[place % len(data)] = value
    damaged = bytes(data[: len(data) - cut % len(data)])
    try:
        assert decode_rgb(damaged, "x", max_pixels=100_000).ndim == 3
    except DataError as error:
        assert error.where == "x"


@pytest.mark.parametrize(
    ("brand", "name"), [(b"heic", "HEIC"), (b"mif1", "HEIC"), (b"avif", "AVIF")]
)
def test_formats_of_phones_that_cannot_be_decoded_are_named_with_a_remedy(brand, name):
    data = b"\0\0\0\x18ftyp" + brand + bytes(100)
    with pytest.raises(UndecodableImage, match=rf"(?s)picture in {name}.*save it as JPEG or PNG"):
        decode_rgb(data, "x")
