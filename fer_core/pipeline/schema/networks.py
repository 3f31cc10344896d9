"""Networks that are trained: each has a name that is known, and takes images of its size.

Apart from the other checks because it loads torch. The pass is made with shapes alone (torch's
"meta" device): nothing is computed.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from fer_core.base.errors import ModelError, ParamsError
from fer_core.pipeline.dag.keys import trained_teachers

__all__ = ["check_networks"]


def check_networks(params: dict[str, Any], path: Path) -> None:
    """Check that every network that is trained exists and takes images of the size that it is
    given, before a stage finds out.

    Raises:
        ParamsError: one does not; names its keys.
    """
    known: set[tuple[str, int]] = set()
    for key, arch, of_size, size in _asked(params):
        if (arch, size) in known:
            continue
        known.add((arch, size))
        try:
            fault = _refusal(arch, size)
        except ModelError as error:  # no network of this name
            raise ParamsError(
                error.problem,
                where=f"{path}: {key}",
                found=arch,
                expected=error.expected,
                remedy="correct the name",
            ) from error
        if fault is not None:
            raise ParamsError(
                "This network takes no images of this size.",
                where=f"{path}: {of_size} of {key}",
                found=f"{arch} at {size} px: {fault}",
                expected="a size that the network takes; many want a multiple of 16 or 32, and 32 "
                "or more",
                remedy=f"another {of_size}, or another network",
            )


def _asked(params: dict[str, Any]) -> Iterator[tuple[str, str, str, int]]:
    """Key, architecture, key of the size and size of each network that is trained."""
    common = "preprocessing.size"
    for tag, entry in trained_teachers(params).items():
        for stage, section in (("a", "teacher"), ("b", "teacher_b")):
            if stage == "b" and entry.get("stage") != "b":
                continue
            places = {
                f"teachers.{tag}.{stage}.{common}": entry.get(stage),
                f"{section}.{common}": params.get(section),
                common: params,
            }
            yield f"teachers.{tag}.arch", entry["arch"], *_first(places)
    places = {f"student.{common}": params["student"], common: params}
    yield "student.arch", params["student"]["arch"], *_first(places)


def _first(places: dict[str, Any]) -> tuple[str, int]:
    """The first of these sections that gives a size: key and value."""
    return next(
        (key, section["preprocessing"]["size"])
        for key, section in places.items()
        if section and section.get("preprocessing")
    )


def _refusal(arch: str, size: int) -> str | None:
    """Why a network cannot be given images of this size; None where it can.

    Raises:
        ModelError: there is no network of this name.
    """
    torch, footprint = import_module("torch"), import_module("fer_core.training.loop.footprint")
    try:
        network = _on_meta(arch, size)
    except ModelError as error:
        if error.where == "arch":
            raise
        return str(error.found)
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(2, 3, size, size, device="meta"))
    except footprint.SHAPE_ERRORS as error:
        refusal: str | None = footprint.size_refusal(error)
        return refusal
    return None


def _on_meta(arch: str, size: int) -> Any:
    """The network without its classifier, as shapes.

    Raises:
        ModelError: there is none of this name, or it cannot be built at this size.
    """
    torch = import_module("torch")
    build = import_module("fer_core.models.networks.backbone").build_trunk
    try:
        with torch.device("meta"):
            return build(arch, size)
    except (ModelError, NotImplementedError):  # perhaps it computes while it is built
        return build(arch, size).to("meta")
