import math
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from fer_core.base.errors import ArtifactError, ModelError, WriteError
from fer_core.base.files import sha256_file
from fer_core.models.initial.initial import (
    load_initial,
    make_initial,
    start_classifier,
    start_trunk,
)
from fer_core.models.initial.options import InitOptions
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.backbone import build_classifier

ARCH = "test_resnet"
SEEDED = InitOptions(pretrained="none", sha256={}, min_matched=0.6)


def local(path: Path) -> InitOptions:
    return InitOptions(pretrained="local", sha256={ARCH: sha256_file(path)}, min_matched=0.6)


def test_seed_decides_the_weights(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_initial(tmp_path / name, ARCH, 32, seed, SEEDED, None)
    a, b, c = (load_initial(tmp_path / name, ARCH).sha256 for name in "abc")
    assert a == b != c


def test_teacher_and_student_start_from_the_same_trunk(tmp_path: Path) -> None:
    make_initial(tmp_path / "init", ARCH, 32, 3, SEEDED, None)
    initial = load_initial(tmp_path / "init", ARCH)
    student = start_classifier(initial, 32)
    teacher = ArcFaceNetwork(ARCH, 32, 16, 0.0, 30.0)
    start_trunk(teacher.trunk, initial)
    for name, tensor in teacher.trunk.state_dict().items():
        assert torch.equal(tensor, student.state_dict()[name])


def test_local_weights_replace_the_backbone_and_leave_the_classifier(tmp_path: Path) -> None:
    torch.manual_seed(9)
    donor = build_classifier(ARCH, 32)
    save_file(donor.state_dict(), tmp_path / f"{ARCH}.safetensors")
    share = make_initial(
        tmp_path / "init", ARCH, 32, 3, local(tmp_path / f"{ARCH}.safetensors"), tmp_path
    )
    weights = load_initial(tmp_path / "init", ARCH).weights
    assert share == 1
    assert torch.equal(weights["conv1.0.weight"], donor.state_dict()["conv1.0.weight"])
    assert not torch.equal(weights["fc.weight"], donor.state_dict()["fc.weight"])


def test_weights_that_fit_too_few_parameters_are_refused(tmp_path: Path) -> None:
    state = {
        name.replace("layer", "stage"): tensor
        for name, tensor in build_classifier(ARCH, 32).state_dict().items()
    }
    torch.save(state, tmp_path / f"{ARCH}.pth")
    with pytest.raises(ModelError, match="Too few parameters"):
        make_initial(tmp_path / "init", ARCH, 32, 3, local(tmp_path / f"{ARCH}.pth"), tmp_path)
    assert not (tmp_path / "init").exists()


def test_local_file_of_other_content_than_declared_is_refused_with_its_hash(tmp_path: Path) -> None:
    save_file(build_classifier(ARCH, 32).state_dict(), tmp_path / f"{ARCH}.safetensors")
    options = InitOptions(pretrained="local", sha256={ARCH: "0" * 64}, min_matched=0.6)
    with pytest.raises(ModelError, match=sha256_file(tmp_path / f"{ARCH}.safetensors")):
        make_initial(tmp_path / "init", ARCH, 32, 3, options, tmp_path)


def test_first_blocks_start_from_the_file_of_the_whole_network(tmp_path: Path) -> None:
    whole = "mobilenetv3_small_050"
    donor = build_classifier(whole, 32).state_dict()
    save_file(donor, tmp_path / f"{whole}.safetensors")
    arch = f"{whole}_first3"
    digest = sha256_file(tmp_path / f"{whole}.safetensors")
    options = InitOptions(pretrained="local", sha256={arch: digest}, min_matched=0.6)
    assert make_initial(tmp_path / "init", arch, 32, 3, options, tmp_path) == 1
    weights = load_initial(tmp_path / "init", arch).weights
    for name, tensor in weights.items():
        assert name.startswith("classifier.") or torch.equal(tensor, donor[name]), name


def test_missing_local_file_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="FER_WEIGHTS"):
        make_initial(
            tmp_path / "init",
            ARCH,
            32,
            3,
            InitOptions(pretrained="local", sha256={}, min_matched=0.6),
            None,
        )


@pytest.mark.parametrize(
    "name", [f"{ARCH}/model.safetensors", f"{ARCH}/pytorch_model.bin", "some name.safetensors"]
)
def test_local_weights_may_lie_as_a_hub_lays_them_out_or_be_named_themselves(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    state = build_classifier(ARCH, 32).state_dict()
    torch.save(state, file) if file.suffix == ".bin" else save_file(state, file)
    weights = tmp_path if file.parent != tmp_path else file
    assert make_initial(tmp_path / "init", ARCH, 32, 3, local(file), weights) == 1


def test_a_weights_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "run",)  # type: ignore[return-value]

    torch.save({"conv1.0.weight": Harmful()}, tmp_path / f"{ARCH}.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        make_initial(tmp_path / "init", ARCH, 32, 3, local(tmp_path / f"{ARCH}.pth"), tmp_path)
    assert not (tmp_path / "run").exists()


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    make_initial(tmp_path / "init", ARCH, 32, 3, SEEDED, None)
    path = tmp_path / "init" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ArtifactError, match="was changed"):
        load_initial(tmp_path / "init", ARCH)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    make_initial(tmp_path / "init", ARCH, 32, 3, SEEDED, None)
    with pytest.raises(ArtifactError, match=r"another's(.|\n)*resnet18"):
        load_initial(tmp_path / "init", "resnet18")


@pytest.mark.parametrize(
    "arch", ["mobilenetv3_small_050", "test_resnet", "test_convnext2", "test_vit"]
)
def test_a_network_starts_undecided_between_the_classes(tmp_path: Path, arch: str) -> None:
    """Its first loss is that of a guess, ln 7; timm's own last layer of a MobileNet gives several
    times that.
    """
    make_initial(tmp_path / "init", arch, 32, 3, SEEDED, None)
    network = start_classifier(load_initial(tmp_path / "init", arch), 32).train()
    generator = torch.Generator().manual_seed(0)
    images, labels = (
        torch.randn(64, 3, 32, 32, generator=generator),
        torch.randint(0, 7, (64,), generator=generator),
    )
    with torch.no_grad():
        assert float(torch.nn.functional.cross_entropy(network(images), labels)) == pytest.approx(
            math.log(7), abs=0.25
        )


def test_unknown_architecture_suggests_near_names_where_there_are_any(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="resnet18"):
        make_initial(tmp_path / "init", "resnet_18", 32, 3, SEEDED, None)
    with pytest.raises(ModelError, match=r"timm\.list_models\(\)\n  remedy"):
        make_initial(tmp_path / "init", "qqqqqqqqqq", 32, 3, SEEDED, None)


def test_one_architecture_may_have_another_origin(tmp_path: Path) -> None:
    options = InitOptions(
        pretrained="none", archs={"test_vit": "local"}, sha256={}, min_matched=0.6
    )
    assert make_initial(tmp_path / "a", ARCH, 32, 1, options, None) == 0
    with pytest.raises(ModelError, match="no local weights file"):
        make_initial(tmp_path / "b", "test_vit", 32, 1, options, tmp_path)


def test_local_weights_of_another_image_size_bring_their_position_embeddings(
    tmp_path: Path,
) -> None:
    torch.manual_seed(9)
    donor = build_classifier("test_vit", 64)
    file = tmp_path / "test_vit.safetensors"
    save_file(donor.state_dict(), file)
    options = InitOptions(
        pretrained="local", sha256={"test_vit": sha256_file(file)}, min_matched=0.6
    )
    assert make_initial(tmp_path / "init", "test_vit", 32, 3, options, tmp_path) == 1
    donor.set_input_size(img_size=32)
    assert torch.allclose(
        load_initial(tmp_path / "init", "test_vit").weights["pos_embed"],
        donor.state_dict()["pos_embed"],
        atol=1e-6,
    )


def test_the_hub_is_asked_for_the_networks_size_and_its_failure_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = timm.create_model
    asked = []

    def hub(arch: str, pretrained: bool = False, **arguments: object) -> torch.nn.Module:
        if pretrained:
            asked.append(arguments)
            if arch == ARCH:
                raise OSError("no route to host")
            torch.manual_seed(77)
        return create(arch, pretrained=False, **arguments)

    monkeypatch.setattr(timm, "create_model", hub)
    options = InitOptions(pretrained="hub", sha256={}, min_matched=0.6)
    assert make_initial(tmp_path / "vit", "test_vit", 48, 3, options, None) == 1
    assert asked == [{"img_size": 48}]
    with pytest.raises(ModelError, match="FER_WEIGHTS") as caught:
        make_initial(tmp_path / "resnet", ARCH, 48, 3, options, None)
    assert "no route to host" in str(caught.value)
    assert f"init.archs.{ARCH}: local" in str(caught.value)


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path, small_files: None) -> None:
    with pytest.raises(WriteError, match=r"weights\.safetensors"):
        make_initial(tmp_path / "init", ARCH, 32, 1, SEEDED, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arch", ["test_vit", ARCH])
def test_a_student_may_start_at_another_image_size_than_the_initial_weights_were_made_for(
    tmp_path: Path, arch: str
) -> None:
    make_initial(tmp_path / "init", arch, 32, 1, SEEDED, None)
    network = start_classifier(load_initial(tmp_path / "init", arch), 64)
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
