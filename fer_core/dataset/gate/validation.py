"""The gate: checks the manifest against the face stores, and says in numbers what the data are.

Twins are searched again. Whatever is wrong is a `Fault`; one is enough to close the gate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fer_core.base.absent import absent_classes
from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.base.params import Section
from fer_core.dataset.assembly.faces import load_faces
from fer_core.dataset.assembly.leakage import usable
from fer_core.dataset.assembly.manifest import twins_of
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.gate import checks
from fer_core.dataset.gate.fault import Fault
from fer_core.dataset.gate.figures import data_figures, original_figures
from fer_core.dataset.gate.rows import check_rows, places
from fer_core.dataset.pack.named_sets import SetFilter
from fer_core.dataset.store.store import FaceStore

__all__ = [
    "ValidateOptions",
    "Validation",
    "check_passed",
    "require_passed",
    "validate",
    "write_validation",
]

_SCHEMA = "validation/1"
_SHOWN = 20
_TWINNED = ["label", "split", "usage", "group", "pixel_sha256", "phash", "flag"]


class ValidateOptions(Section):
    """What the gate asks for beside sound data.

    Attributes:
        min_per_class: split -> fewest faces that a class may have in it.
    """

    min_per_class: checks.MinPerClass


@dataclass(frozen=True)
class Validation:
    """What the gate saw: the numbers, and the faults in the order of the checks."""

    report: dict[str, Any]
    faults: list[Fault]


def validate(
    manifest: pd.DataFrame | Iterable[pd.DataFrame],
    stores: Mapping[str, FaceStore],
    manifest_options: ManifestOptions,
    options: ValidateOptions,
    sets: Mapping[str, SetFilter],
) -> Validation:
    """Check everything, and go on after a fault so that all are seen at once.

    Args:
        manifest: as `read_manifest` gives it, or in parts, of which only what all rows are needed
            for is kept.
        stores: the face stores of the listed sources.
        manifest_options: section `manifest`: what counts as a near twin.
        options: section `validate`.
        sets: section `sets`.
    """
    parts = [manifest] if isinstance(manifest, pd.DataFrame) else manifest
    checked = check_rows(parts, stores)
    faces = load_faces(stores, _TWINNED)
    faces = faces[usable(faces)].reset_index(drop=True)
    rows = checked.table.assign(face=places(checked.table, faces, stores))
    twins = twins_of(faces, stores, manifest_options)
    faces = faces[["source", "label", "usage", "flag"]]
    set_rows, set_faults = checks.sets(rows, sets)
    leaks = checks.leaks(rows, twins)
    faults = [
        *checks.keys(rows, checked.missing),
        *checked.faults,
        *checks.final_splits(rows, manifest_options),
        *checks.announced(stores),
        *(() if manifest_options.twins.across_splits == "report" else leaks),
        *checks.minima(rows, options.min_per_class),
        *set_faults,
    ]
    report = {
        **original_figures(rows, stores),
        **data_figures(rows, faces, twins, stores),
        "leaks": len(leaks),
        **({"absent": list(absent_classes())} if absent_classes() else {}),
        "sets": set_rows,
    }
    return Validation(report, faults)


def write_validation(
    path: Path, validation: Validation, manifest_file: Path, clean_folder: Path
) -> None:
    """Write the passed gate's report, which names the manifest it is about by sha256.

    Raises:
        ArtifactError: the gate is not passed.
    """
    if validation.faults:
        raise ArtifactError(
            "A gate with faults is not passed.", where=path, found=len(validation.faults)
        )
    head = {
        "schema": _SCHEMA,
        "ok": True,
        "manifest": manifest_file.as_posix(),
        "manifest_sha256": sha256_file(manifest_file),
    }
    write_json(path, {**head, "out_root": clean_folder.as_posix(), **validation.report})


def require_passed(validation: Validation, full_report: Path) -> None:
    """End here when there are faults.

    Args:
        validation: what the gate saw.
        full_report: file outside the pipeline, so that it outlives the failed stage: gets every
            fault and the numbers. A report of an earlier failure is removed when the gate is
            passed.

    Raises:
        DataError: names the first faults and that file.
    """
    if not validation.faults:
        full_report.unlink(missing_ok=True)
        return
    write_json(
        full_report,
        {
            "schema": _SCHEMA,
            "ok": False,
            "faults": [asdict(fault) for fault in validation.faults],
            **validation.report,
        },
    )
    shown = [f"{fault.check}: {fault.where}: {fault.found}" for fault in validation.faults[:_SHOWN]]
    raise DataError(
        f"The data do not pass the gate: {len(validation.faults)} faults.",
        found="\n    ".join(
            ["the first of them:" if len(validation.faults) > _SHOWN else "", *shown]
        ).lstrip("\n "),
        remedy=f"correct the raw data or params.yaml; every fault is in {full_report}",
    )


def check_passed(path: Path, manifest_file: Path) -> None:
    """Refuse a manifest that has not passed the gate.

    Raises:
        ArtifactError: no report, a failed one, or one about another manifest.
    """
    report = read_json(path)
    remedy = "run `fer run validate`"
    if (
        not isinstance(report, dict)
        or report.get("schema") != _SCHEMA
        or report.get("ok") is not True
    ):
        raise ArtifactError(
            "This is not the report of a passed gate.",
            where=path,
            expected=f"schema {_SCHEMA}, ok true",
            remedy=remedy,
        )
    if report.get("manifest_sha256") != (sha256 := sha256_file(manifest_file)):
        raise ArtifactError(
            "The gate passed another manifest.",
            where=path,
            found=report.get("manifest_sha256"),
            expected=sha256,
            remedy=remedy,
        )
