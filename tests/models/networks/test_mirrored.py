import pytest
import torch

from fer_core.models.networks.mirrored import Mirrored
from tests.models.networks.learned import learned

SIZE = 48


@pytest.mark.parametrize("arch", ["resnet9_w8", "test_resnet"])
@torch.inference_mode()
def test_it_is_the_mean_over_both_and_the_same_for_a_mirror_image(arch: str) -> None:
    single = learned(arch, SIZE)
    before = {name: value.clone() for name, value in single.state_dict().items()}
    images = torch.randn(3, 3, SIZE, SIZE)
    expected = (single(images) + single(images.flip(3))) / 2
    mirrored = Mirrored(single, SIZE)
    assert (single(images) - single(images.flip(3))).abs().max() > 1e-3
    torch.testing.assert_close(mirrored(images), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mirrored(images.flip(3)), expected, atol=1e-5, rtol=1e-5)
    assert all(torch.equal(before[name], value) for name, value in single.state_dict().items())
