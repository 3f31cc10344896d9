"""`fer doctor`: the machine's settings, raw data sets, params.yaml and dvc.yaml."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_cli.doctor.finding import Finding, Level, of_error, probe
from fer_core.base.errors import FerError
from fer_core.base.settings import Settings, load_settings

if TYPE_CHECKING:
    from fer_core.sources.catalogue.descriptor import Descriptor

__all__ = [
    "check_dag",
    "check_data",
    "check_machine_traps",
    "check_params_file",
    "check_records",
    "check_settings",
    "readable_descriptors",
]

_OTHER_VARIABLES = ("FER_DETECTOR", "FER_LOG")
_TESTS = "FER_TEST_"

_METHODS = """
import json
from pathlib import Path
from fer_core.pipeline.schema.methods import check_methods
from fer_core.pipeline.schema.networks import check_networks
from fer_core.base.errors import FerError
from fer_core.base.params import read_params
fault = None
try:
    check_methods(read_params(), Path("params.yaml"))
    check_networks(read_params(), Path("params.yaml"))
except FerError as error:
    fault = str(error)
print(json.dumps({"fault": fault}))
"""


def check_settings(variables: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether the settings can be read and mean something on this machine.

    Raises:
        ParamsError: they cannot be read.
    """
    settings = load_settings()
    known = {f"FER_{name.upper()}" for name in Settings.model_fields} | set(_OTHER_VARIABLES)
    unknown = sorted(
        name
        for name in variables
        if name.startswith("FER_") and name not in known and not name.startswith(_TESTS)
    )
    if unknown:
        remedy = f"known ones are {', '.join(sorted(known))}"
        yield Finding(
            Level.WARN, "settings", f"nothing reads the variable {', '.join(unknown)}", remedy
        )
    if settings.weights is not None and not settings.weights.exists():
        remedy = "correct FER_WEIGHTS (or `weights` in fer.local.toml)"
        yield Finding(
            Level.FAIL,
            "settings",
            f"the folder or file of weights is missing: {settings.weights}",
            remedy,
        )
    values = settings.model_dump()
    yield Finding(
        Level.OK,
        "settings",
        ", ".join(
            f"{name} {value}" for name, value in values.items() if value not in (None, "", ())
        ),
    )


def check_records(folder: Path) -> Iterator[Finding]:
    """Whether dvc.lock and DVC's reservations can be used.

    Args:
        folder: DVC's own, `.dvc`.
    """
    from fer_core.pipeline.checkout.lockfile import REMEDY_OF_MERGE, lock_fault
    from fer_core.pipeline.checkout.reservations import rwlock_fault

    faults = {"dvc.lock": lock_fault(folder.parent), "rwlock": rwlock_fault(folder / "tmp")}
    for name, fault in faults.items():
        if fault is not None:
            remedy = REMEDY_OF_MERGE if "merge" in fault else "run `fer doctor --repair`"
            yield Finding(Level.FAIL, "DVC's records", f"{name}: {fault}", remedy)
    if not any(faults.values()):
        yield Finding(Level.OK, "DVC's records", "dvc.lock and reservations are in order")


def check_machine_traps(root: Path = Path()) -> Iterator[Finding]:
    """Traps of real machines; see `fer_core/pipeline/checkout/traps.py`."""
    from fer_core.pipeline.checkout.traps import traps

    found = list(traps(root))
    for trap in found:
        yield Finding(Level.FAIL if trap.fatal else Level.WARN, trap.what, trap.found, trap.remedy)
    if not found:
        yield Finding(Level.OK, "checkout", "environment, path and cache fit together")


def readable_descriptors(folder: Path) -> tuple[list["Descriptor"], list[Finding]]:
    """All descriptors that can be read, and a finding for each other one.

    Raises:
        ImportError: the readers of data sets cannot be imported: they need OpenCV.
    """
    from fer_core.sources.catalogue.descriptor import read_descriptor

    good, faulty = [], []
    for file in sorted(folder.glob("*.json")):
        try:
            good.append(read_descriptor(file))
        except FerError as error:
            faulty.append(of_error("data sets", error))
    return good, faulty


def check_data(
    descriptors: Sequence["Descriptor"], raw: Path, listed: Sequence[str]
) -> Iterator[Finding]:
    """Whether present data sets lie here as they were added, and the listed ones are there.

    Args:
        descriptors: all that can be read.
        raw: the raw folder.
        listed: names in manifest.sources; a fault of one of them stops the pipeline, one of another
            data set does not.
    """
    from fer_core.sources.catalogue.descriptor import checked_tree

    known = {descriptor.name: descriptor for descriptor in descriptors}
    for name in listed:
        if name not in known or not known[name].present:
            what = "is absent" if name in known else "has no descriptor"
            remedy = f"`fer data add {name} PATH`, or take it off the list"
            yield Finding(
                Level.FAIL, "data sets", f"{name} is listed in manifest.sources and {what}", remedy
            )
    for descriptor in descriptors:
        if not descriptor.present or descriptor.sample is not None:
            continue
        try:
            checked_tree(descriptor, raw)
        except (FerError, OSError) as error:
            level = Level.FAIL if descriptor.name in listed else Level.WARN
            fault = (
                of_error("data sets", error)
                if isinstance(error, FerError)
                else Finding(level, "data sets", str(error))
            )
            yield replace(fault, level=level, text=f"{descriptor.name}: {fault.text}")
        else:
            yield Finding(
                Level.OK,
                "data sets",
                f"{descriptor.name}: {descriptor.layout}, unchanged at "
                f"{raw / (descriptor.root or '')}",
            )
    samples = sum(descriptor.sample is not None for descriptor in descriptors)
    absent = sum(not descriptor.present for descriptor in descriptors)
    yield Finding(
        Level.OK,
        "data sets",
        f"{len(descriptors)} known, {len(listed)} listed, {samples} embedded, {absent} absent",
    )


def check_params_file(params: dict[str, Any], path: Path) -> Iterator[Finding]:
    """Whether every section and every method's options are valid.

    Raises:
        ParamsError: a section is not.
        ProbeError: the methods cannot be imported.
    """
    from fer_core.pipeline.schema.check import check_params

    check_params(params, path)
    fault = probe(_METHODS)["fault"]
    if fault is None:
        yield Finding(Level.OK, "params.yaml", "every section and every method's options are valid")
    else:
        yield Finding(Level.FAIL, "params.yaml", fault)


def check_dag(params: dict[str, Any], dvc_file: Path, root: Path = Path()) -> Iterator[Finding]:
    """Whether dvc.yaml follows from params.yaml and the code.

    Raises:
        ParamsError: params declare no sources, teachers or students.
    """
    from fer_core.pipeline.dag.dag import synced

    text = dvc_file.read_text(encoding="utf-8")
    if synced(text, params, root) == text:
        yield Finding(Level.OK, "dvc.yaml", "in step with params.yaml and the code")
    else:
        yield Finding(
            Level.FAIL, "dvc.yaml", "not in step with params.yaml or the code", "`fer dag sync`"
        )
