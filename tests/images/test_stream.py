import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_core.dataset.pack.pack import Pack
from fer_core.images import stream as module
from fer_core.images.bank import ImageBank
from fer_core.images.stream import PixelStream
from fer_core.images.views import ViewOptions
from fer_core.pixels.decode import UndecodableImage, decode_rgb
from fer_core.pixels.preprocessing import Preprocessing
from tests.tiny import write_half

CPU = torch.device("cpu")
ROWS = 40
PREPROCESSING = Preprocessing(24, 0.8, True, 2.0, 4, (0.5, 0.4, 0.3), (0.2, 0.2, 0.3))
VIEWS = ViewOptions(
    count=3,
    scale=(0.7, 1.0),
    ratio=(0.8, 1.25),
    flip=0.5,
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue=0.05,
)
BYTES = 3 * 30 * 30
NOTHING, TEN_IMAGES = 1e-9, 10.5 * BYTES / 1e9


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    write_half(tmp_path / "dev", ["train"] * ROWS)
    return Pack.open(tmp_path / "dev")


def stream_of(pack: Pack, held: int = 0, threads: int = 2) -> PixelStream:
    return PixelStream(
        pack, np.arange(ROWS), PREPROCESSING, held, threads, channels_first=False, pinned=False
    )


@pytest.mark.parametrize("memory_gb", [NOTHING, TEN_IMAGES])
@pytest.mark.parametrize("expected", [True, False])
@pytest.mark.parametrize("threads", [1, 3])
def test_views_are_those_of_a_bank_that_holds_all_to_the_last_bit(
    pack: Pack, memory_gb: float, expected: bool, threads: int
) -> None:
    whole = ImageBank(pack, range(ROWS), PREPROCESSING, VIEWS, 2, CPU, 1.0)
    streamed = ImageBank(pack, range(ROWS), PREPROCESSING, VIEWS, threads, CPU, memory_gb)
    assert whole._stream.whole
    assert len(streamed._stream.held) == (10 if memory_gb == TEN_IMAGES else 0)
    for k in range(4):
        batches = np.array_split(np.random.default_rng(k).permutation(ROWS), 7)
        if expected:
            streamed.expect(batches)
        for rows in batches:
            assert streamed.view(rows, k).numpy().tobytes() == whole.view(rows, k).numpy().tobytes()


def test_coming_batches_are_decoded_before_they_are_asked_for(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[object] = []
    enough = threading.Event()

    def counting(data: bytes, where: object) -> np.ndarray:
        image = decode_rgb(data, where)
        decoded.append(where)
        if len(decoded) == 12:
            enough.set()
        return image

    monkeypatch.setattr(module, "decode_rgb", counting)
    stream = stream_of(pack)
    stream.expect([np.arange(start, start + 4) for start in range(0, 40, 4)])
    assert enough.wait(10), "three batches are made ready without being asked for"
    assert len(decoded) == 12, "and no more than three"
    stream.take(np.arange(4))
    stream.take(np.arange(4, 8))
    stream.expect([])
    assert len(set(decoded)) == len(decoded), "nothing is decoded twice"


def test_a_batch_that_was_not_expected_is_as_right(pack: Pack) -> None:
    stream, held = stream_of(pack), stream_of(pack, ROWS).held
    stream.expect([np.array([1, 2]), np.array([3, 4])])
    for places in ([7, 5], [1, 2], [9], [3, 4], [3, 4]):
        assert np.array_equal(stream.take(np.array(places)).numpy(), held[places])


def test_a_damaged_image_is_an_error_that_names_it_when_its_batch_is_asked_for(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Pack.image
    monkeypatch.setattr(
        Pack, "image", lambda self, row: whole(self, row)[:40] if row == 6 else whole(self, row)
    )
    stream = stream_of(pack)
    stream.expect([np.array([5, 4]), np.array([6, 7])])
    stream.take(np.array([5, 4]))
    with pytest.raises(UndecodableImage, match="tiny/00006"):
        stream.take(np.array([6, 7]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("memory_gb", [NOTHING, TEN_IMAGES, 1.0])
def test_on_a_cuda_device_views_do_not_depend_on_where_images_are(
    pack: Pack, memory_gb: float
) -> None:
    device = torch.device("cuda")
    bank = ImageBank(pack, range(ROWS), PREPROCESSING, VIEWS, 2, device, memory_gb)
    reference = ImageBank(pack, range(ROWS), PREPROCESSING, VIEWS, 2, CPU, 1.0)
    assert (bank._pixels is not None) == (memory_gb == 1.0)
    batches = np.array_split(np.random.default_rng(0).permutation(ROWS), 7)
    bank.expect(batches)
    for rows in batches:
        assert torch.allclose(bank.view(rows, 0).cpu(), reference.view(rows, 0), atol=1e-5)
