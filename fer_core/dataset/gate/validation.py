"""The gate: checks the manifest against the face stores, and says in numbers what the data are.

Twins are searched again. Whatever is wrong is a `Fault`; one is enough to close the gate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.absent import absent_classes
from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.base.labels import UNLABELLED
from fer_core.base.params import Section
from fer_core.dataset.assembly.leakage import usable
from fer_core.dataset.assembly.manifest import (
    ManifestOptions,
    load_faces,
    records_of,
    twins_of,
)
from fer_core.dataset.gate import checks
from fer_core.dataset.gate.figures import data_figures, original_figures
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
_KEPT = [
    *("sample_id", "source", "row", "label", "split", "reason", "usage", "group"),
    *("duplicate_of", "min_side", "confidence"),
]
_STORED = [
    *("sample_id", "label", "split", "usage", "group", "width", "height", "pixel_sha256"),
]


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
    faults: list[checks.Fault]


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
    checked = [_check_rows(part.reset_index(drop=True), stores) for part in parts]
    row_faults = [fault for _, faults in checked for fault in faults]
    manifest = pd.concat([kept for kept, _ in checked], ignore_index=True)
    del checked
    manifest["group"] = pd.factorize(manifest["group"])[0].astype(np.int32)
    faces = load_faces(stores)
    key_faults = checks.keys(manifest, faces)
    announced_faults = checks.announced(stores, faces)
    eligible = faces[usable(faces)].reset_index(drop=True)
    del faces
    manifest["face"] = _places(manifest, eligible, stores)
    twins = twins_of(eligible, stores, manifest_options)
    eligible = eligible[["source", "label", "usage", "flag"]]
    set_rows, set_faults = checks.sets(manifest, sets)
    leaks = checks.leaks(manifest, twins)
    faults = [
        *key_faults,
        *row_faults,
        *checks.final_splits(manifest, manifest_options),
        *announced_faults,
        *(() if manifest_options.twins.across_splits == "report" else leaks),
        *checks.minima(manifest, options.min_per_class),
        *set_faults,
    ]
    report = {
        **original_figures(manifest, stores),
        **data_figures(manifest, eligible, twins, stores),
        "leaks": len(leaks),
        **({"absent": list(absent_classes())} if absent_classes() else {}),
        "sets": set_rows,
    }
    return Validation(report, faults)


def _check_rows(
    part: pd.DataFrame, stores: Mapping[str, FaceStore]
) -> tuple[pd.DataFrame, list[checks.Fault]]:
    """What of some rows is needed later, with what the stores say of them, and the faults that a
    row shows by itself.
    """
    stored = records_of(part, stores, _STORED)
    faults = [
        *checks.paths(part),
        *checks.values(part),
        *checks.agreement(part, stored),
        *checks.learnt_labels(part, stored),
        *checks.decode_records(part, stored),
        *checks.boxes(part),
    ]
    said = {"stored_split": stored["split"], "unlabelled": stored["label"] == UNLABELLED}
    return part[_KEPT].assign(**said), faults


def _places(
    manifest: pd.DataFrame, faces: pd.DataFrame, stores: Mapping[str, FaceStore]
) -> np.ndarray:
    """Place in `faces` of the face that each row of the manifest is, int64 [N]; -1 for none."""
    found = np.full(len(manifest), -1)
    rows = manifest["row"].to_numpy()
    for source, store in stores.items():
        theirs = np.flatnonzero(faces["source"] == source)
        place = np.full(len(store), -1)
        place[faces["row"].to_numpy()[theirs]] = theirs
        mine = np.flatnonzero((manifest["source"] == source) & (rows >= 0) & (rows < len(store)))
        found[mine] = place[rows[mine]]
    return found


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
