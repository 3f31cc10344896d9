"""A tag that names an architecture has that architecture, in every profile."""

from pathlib import Path

import pytest
import yaml

from fer_core.predict.predictor import Predictor

NAMED = {
    "rn18": "resnet18",
    "rn34": "resnet34",
    "rn50": "resnet50",
    "b0": "tf_efficientnet_b0",
    "b3": "tf_efficientnet_b3",
    "cnxt": "convnext_tiny",
    "vit": "vit_base_patch16_384",
    "lite0": "tf_efficientnet_lite0",
    "lite1": "tf_efficientnet_lite1",
    "lite2": "tf_efficientnet_lite2",
    "repvgg": "repvgg_a0",
    "tiny_resnet": "test_resnet",
    "tiny_effnet": "test_efficientnet",
    "tiny_resnet9": "resnet9_w8",
}
PROFILES = sorted(Path("profiles").rglob("*.yaml"))


def teachers(profile: Path) -> dict[str, str]:
    """Tag -> architecture, of a network from elsewhere the one that its file names."""
    found = yaml.safe_load(profile.read_text(encoding="utf-8")).get("teachers") or {}
    return {
        tag: entry["arch"] if "arch" in entry else Predictor(Path(entry["onnx"])).metadata.arch
        for tag, entry in found.items()
    }


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_a_tag_has_the_architecture_it_names(profile: Path) -> None:
    for tag, arch in teachers(profile).items():
        named = NAMED.get(tag, "resnet9_w" if tag.startswith("r9") else None)
        assert named is not None, f"{tag}: give it an architecture in NAMED"
        assert arch.startswith(named) if named == "resnet9_w" else arch == named


def test_the_shipped_parameters_are_the_sample_s() -> None:
    assert teachers(Path("params.yaml")) == teachers(Path("profiles/sample.yaml"))
