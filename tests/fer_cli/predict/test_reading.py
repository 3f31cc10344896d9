import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_cli.predict.inputs import MAX_PIXELS, read_photo
from fer_core.base.errors import DataError

COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)
"""RGB of the four quarters of a picture."""


def picture() -> np.ndarray:
    """RGB, uint8 [40, 60, 3], its four quarters in the four colours."""
    return COLOURS.repeat(20, axis=0).repeat(30, axis=1)


def quarters(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return image[height // 4 :: height // 2, width // 4 :: width // 2].astype(int)


def write(path: Path, image: np.ndarray) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


def bgr(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR)


@pytest.mark.parametrize("suffix", [".bmp", ".jpg", ".png", ".tif", ".tiff", ".webp"])
def test_every_kind_of_image_is_read_in_its_colours(tmp_path: Path, suffix: str) -> None:
    image = read_photo(write(tmp_path / f"x{suffix}", bgr(picture())))
    assert image.shape == (40, 60, 3)
    np.testing.assert_allclose(quarters(image), COLOURS, atol=6)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, COLOURS), (3, np.rot90(COLOURS, 2)), (6, np.rot90(COLOURS, 3)), (8, np.rot90(COLOURS))],
)
def test_jpeg_of_a_turned_phone_is_upright(
    tmp_path: Path, orientation: int, expected: np.ndarray
) -> None:
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    plain = cv2.imencode(".jpg", bgr(picture()))[1].tobytes()
    (tmp_path / "x.jpg").write_bytes(
        plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    )
    image = read_photo(tmp_path / "x.jpg")
    assert image.shape[:2] == ((60, 40) if orientation in (6, 8) else (40, 60))
    np.testing.assert_allclose(quarters(image), expected, atol=6)


def test_cmyk_jpeg_is_read_in_its_colours(tmp_path: Path) -> None:
    """Inverted, as Adobe's programs write it: cyan, magenta, yellow and black of 255 are no ink."""
    for number, colour in enumerate(COLOURS.reshape(4, 3).tolist()):
        (tmp_path / f"{number}.jpg").write_bytes(uniform_cmyk([*colour, 255]))
        image = read_photo(tmp_path / f"{number}.jpg")
        assert image.shape == (8, 8, 3)
        np.testing.assert_allclose(image[4, 4].astype(int), colour, atol=6)


def uniform_cmyk(samples: list[int]) -> bytes:
    """A baseline JPEG of 8 x 8 pixels and four uniform components (ITU T.81; Adobe's APP14 marker
    with transform 0).
    """

    def segment(marker: int, content: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content

    lengths = bytes([0, 0, 0, 12] + [0] * 12)
    bits = ""
    for sample in samples:
        level = 8 * (sample - 128)
        size = abs(level).bit_length()
        bits += (
            f"{size:04b}"
            + (f"{level if level > 0 else level + (1 << size) - 1:0{size}b}" if size else "")
            + "0000"
        )
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = struct.pack(">BHHB", 8, 8, 8, 4) + b"".join(
        bytes([number, 0x11, 0]) for number in range(1, 5)
    )
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xEE, b"Adobe" + bytes([0, 100, 0, 0, 0, 0, 0])),
            segment(0xDB, bytes([0]) + bytes([1] * 64)),
            segment(0xC0, frame),
            segment(0xC4, bytes([0x00]) + lengths + bytes(range(12))),
            segment(0xC4, bytes([0x10]) + lengths + bytes(range(12))),
            segment(
                0xDA,
                bytes([4])
                + b"".join(bytes([number, 0]) for number in range(1, 5))
                + bytes([0, 63, 0]),
            ),
            scan,
            b"\xff\xd9",
        ]
    )


@pytest.mark.parametrize("alpha", [0, 255])
def test_alpha_is_dropped(tmp_path: Path, alpha: int) -> None:
    image = np.dstack([bgr(picture()), np.full((40, 60), alpha, np.uint8)])
    np.testing.assert_array_equal(quarters(read_photo(write(tmp_path / "x.png", image))), COLOURS)


@pytest.mark.parametrize(("kind", "scale"), [(np.uint8, 1), (np.uint16, 257)])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_is_three_equal_channels(tmp_path: Path, suffix: str, kind: type, scale: int) -> None:
    grey = picture()[:, :, 1].astype(kind) * kind(scale)
    image = read_photo(write(tmp_path / f"x{suffix}", grey))
    np.testing.assert_array_equal(image, np.repeat(picture()[:, :, 1:2], 3, axis=2))


def test_default_limit_admits_large_phone_cameras_and_refuses_bombs(tmp_path: Path) -> None:
    assert MAX_PIXELS > 12_000 * 9_000
    head = b"\x89PNG\r\n\x1a\n"
    for kind, content in (
        (b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)),
        (b"IEND", b""),
    ):
        head += (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )
    (tmp_path / "bomb.png").write_bytes(head)
    with pytest.raises(DataError, match=r"more pixels[\s\S]*60000 x 60000[\s\S]*--max-pixels"):
        read_photo(tmp_path / "bomb.png")


def test_tiff_over_the_limit_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "x.tif", bgr(picture()))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"more pixels[\s\S]*60 x 40"):
        read_photo(file, 2399)


@pytest.mark.parametrize("suffix", [".bmp", ".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_cut_image_is_refused_with_a_remedy_for_users(
    tmp_path: Path, suffix: str, share: float
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    file = write(tmp_path / f"x{suffix}", image)
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError) as caught:
        read_photo(file)
    assert (
        str(file) in str(caught.value)
        and "save it from there" in str(caught.value)
        and "label" not in str(caught.value)
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"II*\0", b"II*\0\x08\0\0\0\0\0", b"MM\0*\xff\xff\xff\xff", b"\0\0\0\x18ftypheic"],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.tif").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.tif"):
        read_photo(tmp_path / "x.tif")


def test_other_kind_of_image_says_which_kinds_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match=r"WebP or TIFF"):
        read_photo(tmp_path / "x.jpg")


def test_file_that_is_gone_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_photo(tmp_path / "gone.jpg")


def test_a_jpeg_that_is_damaged_within_is_refused(tmp_path: Path) -> None:
    """A decoder paints what it cannot read; the face there would be somebody's guess."""
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    data = bytearray(cv2.imencode(".jpg", noise)[1].tobytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    (tmp_path / "x.jpg").write_bytes(data)
    with pytest.raises(DataError, match=r"(?s)damaged.*x\.jpg"):
        read_photo(tmp_path / "x.jpg")
