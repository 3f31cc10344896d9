"""Initial weights of an architecture: seeded or pretrained, made once, the common start of every
run that uses it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fer_core.base.artifact import Header, new_artifact, open_artifact
from fer_core.base.errors import ModelError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.models.initial.lite import REPEATS, in_timm_names, is_of_package
from fer_core.models.initial.options import InitOptions
from fer_core.models.networks.backbone import (
    build_classifier,
    classifier_parameters,
    load_resized,
    resampled,
    size_arguments,
)
from fer_core.models.networks.first_blocks import cut_of
from fer_core.models.networks.saved import write_weights

__all__ = ["InitialWeights", "load_initial", "make_initial", "start_classifier", "start_trunk"]

_KIND = "initial weights/2"
_LAST_LAYER_STD = 0.01
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class InitialWeights:
    """Weights of a timm network with seven outputs.

    Attributes:
        arch: name of the network.
        weights: state of the network, classifier included.
        sha256: hash of the weights file.
    """

    arch: str
    weights: dict[str, Tensor]
    sha256: str


def make_initial(
    folder: Path, arch: str, size: int, seed: int, options: InitOptions, weights: Path | None
) -> float:
    """Write `weights.safetensors` and `init.json`.

    Args:
        folder: the out.
        arch: name of the network.
        size: image side in pixels.
        seed: of the random weights (all of them, or the classifier's when the rest is pretrained).
        options: where the weights come from.
        weights: of `pretrained: local`: a folder with `<arch>.safetensors` (or .pth, .pt, .bin) or
            with a folder `<arch>` as a model hub lays it out (`model.safetensors` or
            `pytorch_model.bin`); or the file itself. Of the first blocks of a network, its own
            weights or those of the whole network.

    Returns:
        Share of the backbone's parameters that pretrained weights covered; 0 without pretrained
            weights.

    Raises:
        ModelError: no such weights, other content than declared, or too few parameters matched.
    """
    torch.manual_seed(seed)
    network = build_classifier(arch, size)
    _soften(network)
    share, source = 0.0, "seeded"
    if (origin := options.origin_of(arch)) != "none":
        pretrained, source = _hub(arch, size) if origin == "hub" else _local(arch, options, weights)
        share = _load_matching(network, pretrained, classifier_parameters(arch, size))
        if share < options.min_matched:
            raise ModelError(
                "Too few parameters of the pretrained weights fit the network.",
                where=f"{arch}, init.min_matched",
                found=f"{share:.1%}",
                expected=f"at least {options.min_matched:.0%}",
                remedy="give weights of this very architecture, in timm's parameter names",
            )
    with new_artifact(folder, Header(_KIND, arch)) as temporary:
        write_weights(temporary / "weights.safetensors", network.state_dict())
        report = {
            "size": size,
            "source": source,
            "matched_share": share,
        }
        write_json(
            temporary / "init.json",
            report | {"weights_sha256": sha256_file(temporary / "weights.safetensors")},
        )
    return share


def load_initial(folder: Path, arch: str) -> InitialWeights:
    """Read the initial weights of an architecture.

    Raises:
        ArtifactError: a file is missing, damaged, not the one that `init.json` describes, or of
            another architecture (`fer dag sync` brings dvc.yaml and params.yaml in step).
    """
    open_artifact(folder, _KIND, arch)
    path = folder / "weights.safetensors"
    return InitialWeights(arch, load_file(path), read_json(folder / "init.json")["weights_sha256"])


def start_classifier(initial: InitialWeights, size: int) -> nn.Module:
    """A network with seven outputs that starts from the initial weights, classifier included.

    What depends on the image size is resampled where the weights were made for another one.

    Raises:
        ModelError: the weights do not fit the network, even when resampled.
    """
    network = build_classifier(initial.arch, size)
    load_resized(initial.weights, network)
    return network


def start_trunk(trunk: nn.Module, initial: InitialWeights) -> None:
    """Give a trunk (no classifier) its initial weights, resampled where they were made for another
    image size; every one of its parameters must be there.

    Raises:
        ModelError: as `load_resized`.
    """
    load_resized({name: initial.weights[name] for name in trunk.state_dict()}, trunk)


def _soften(network: nn.Module) -> None:
    """Give the last layer small random weights, so that a network starts undecided between the
    classes.

    timm draws that of some families (EfficientNet, MobileNet) in ±1/sqrt(classes), whatever its
    width: with seven classes logits of ±8, a loss far above ln 7, and gradients that spoil
    pretrained features in the first steps.
    """
    last: Any = network.get_classifier()  # type: ignore[operator]
    nn.init.normal_(last.weight, std=_LAST_LAYER_STD)
    if last.bias is not None:
        nn.init.zeros_(last.bias)


def _load_matching(
    network: nn.Module, pretrained: Mapping[str, Tensor], classifier: set[str]
) -> float:
    """Copy entries of equal name and shape, except the classifier's; share of the backbone's
    parameters covered.

    What depends on the image size is resampled first, for weights of the same network at another
    one.
    """
    state = network.state_dict()
    backbone = {name for name in state if name not in classifier}
    pretrained = resampled(
        {name: tensor for name, tensor in pretrained.items() if name in backbone}, network
    )
    fitting = {
        name: pretrained[name]
        for name in backbone
        if name in pretrained and pretrained[name].shape == state[name].shape
    }
    network.load_state_dict({**state, **fitting})
    parameters = {
        name: parameter.numel()
        for name, parameter in network.named_parameters()
        if name in backbone
    }
    return sum(parameters[name] for name in parameters if name in fitting) / sum(
        parameters.values()
    )


def _whole(arch: str) -> str:
    """Name of the network whose weights an architecture can start from."""
    cut = cut_of(arch)
    return cut.whole if cut else arch


def _hub(arch: str, size: int) -> tuple[Mapping[str, Tensor], str]:
    try:
        return timm.create_model(
            _whole(arch), pretrained=True, **size_arguments(arch, size)
        ).state_dict(), "hub"
    except Exception as error:
        raise ModelError(
            "The pretrained weights could not be fetched.",
            where=arch,
            found=f"{type(error).__name__}: {error}",
            remedy=f"check the network; or fetch {arch}'s model.safetensors from the hub on "
            "another machine, put it into a folder as "
            f"{arch}.safetensors, set FER_WEIGHTS to that folder and init.archs.{arch}: local; the "
            "next message says what else to set",
        ) from error


def _candidates(arch: str, weights: Path | None) -> list[Path]:
    """Where the local weights of an architecture may be, best first."""
    if weights is None or weights.is_file():
        return [] if weights is None else [weights]
    return [
        path
        for name in dict.fromkeys((arch, _whole(arch)))
        for path in (
            *(weights / f"{name}{suffix}" for suffix in _SUFFIXES),
            *(weights / name / file for file in _HUB_FILES),
        )
    ]


def _local(
    arch: str, options: InitOptions, weights: Path | None
) -> tuple[Mapping[str, Tensor], str]:
    path = next(
        (candidate for candidate in _candidates(arch, weights) if candidate.is_file()), None
    )
    if path is None:
        raise ModelError(
            "There is no local weights file for this architecture.",
            where=weights or "FER_WEIGHTS is not set",
            expected=f"{arch} with one of {', '.join(_SUFFIXES)}, or a folder {arch} with "
            f"{' or '.join(_HUB_FILES)}",
            remedy="set FER_WEIGHTS (or weights in fer.local.toml) to the folder that holds it, or "
            "to the file; or init.pretrained: none",
        )
    digest = sha256_file(path)
    if options.sha256.get(arch) != digest:
        raise ModelError(
            "The local weights file is not the one that params declare.",
            where=f"init.sha256.{arch}",
            found=digest,
            expected=options.sha256.get(arch, "an entry for this architecture"),
            remedy=f"if {path.name} is the file you mean, set init.sha256.{arch}: {digest}",
        )
    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ModelError(
            "This weights file cannot be read.", where=path, found=error, remedy="fetch it again"
        ) from error
    state = state.get("state_dict", state.get("model", state)) if isinstance(state, dict) else state
    if not isinstance(state, dict):
        raise ModelError(
            "This weights file holds no state dictionary.", where=path, found=type(state).__name__
        )
    if (whole := _whole(arch)) in REPEATS and is_of_package(state):
        state = in_timm_names(state, whole)
    return state, f"local:{digest}"
