"""The gate: checks the manifest against the face stores, and says in numbers what the data are.

Nothing here trusts the manifest: labels, splits and keys are compared with the stores, twins are
searched again. Whatever is wrong is a `Fault`; one is enough to close the gate.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.base.params import Section
from fer_core.dataset.assembly.leakage import REASONS, find_leaks, usable
from fer_core.dataset.assembly.manifest import ManifestOptions, load_faces, twins_of
from fer_core.dataset.assembly.near_duplicates import Twins
from fer_core.dataset.gate.figures import data_figures, original_figures
from fer_core.dataset.pack.named_sets import SetFilter, select
from fer_core.dataset.pack.rows import SPLITS
from fer_core.dataset.store.store import FaceStore

__all__ = [
    "Fault",
    "MinPerClass",
    "ValidateOptions",
    "Validation",
    "check_passed",
    "require_passed",
    "validate",
    "write_validation",
]

_SCHEMA = "validation/1"
_SHOWN = 20
Count = Annotated[int, Field(ge=0)]


class MinPerClass(Section):
    """Least number of kept rows that every class must have in each split."""

    train: Count
    val: Count
    calib: Count
    test: Count


class ValidateOptions(Section):
    """What the gate asks for beside sound data.

    Attributes:
        min_per_class: split -> fewest faces that a class may have in it.
    """

    min_per_class: MinPerClass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: which check saw it, where (a sample_id, set or source) and what was
    found.
    """

    check: str
    where: str
    found: str


@dataclass(frozen=True)
class Validation:
    """What the gate saw: the numbers, and the faults in the order of the checks."""

    report: dict[str, Any]
    faults: list[Fault]


def validate(
    manifest: pd.DataFrame,
    stores: Mapping[str, FaceStore],
    manifest_options: ManifestOptions,
    options: ValidateOptions,
    sets: Mapping[str, SetFilter],
) -> Validation:
    """Check everything, and go on after a fault so that all are seen at once.

    Args:
        manifest: as `read_manifest` gives it.
        stores: the face stores of the listed sources.
        manifest_options: section `manifest`: what counts as a near twin.
        options: section `validate`.
        sets: section `sets`.
    """
    manifest = manifest.reset_index(drop=True)
    faces = load_faces(stores)
    eligible = faces[usable(faces)].reset_index(drop=True)
    twins = twins_of(eligible, stores, manifest_options)
    stored = manifest[["source", "row"]].merge(
        faces, on=["source", "row"], how="left", suffixes=("", "_store")
    )
    set_rows, set_faults = _sets(manifest, sets)
    leaks = _leaks(manifest, eligible, twins)
    faults = [
        *_keys(manifest),
        *_values(manifest),
        *_agreement(manifest, stored, faces),
        *_final_splits(manifest, stored, manifest_options),
        *_decode_records(manifest, stored),
        *_boxes(manifest),
        *_announced(stores, faces),
        *(() if manifest_options.twins.across_splits == "report" else leaks),
        *_minima(manifest, options.min_per_class),
        *set_faults,
    ]
    report = {
        **original_figures(manifest, stores),
        **data_figures(manifest, eligible, twins, stores),
        "leaks": len(leaks),
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
        remedy=f"mend the raw data or params.yaml; every fault is in {full_report}",
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


def _faults(
    check: str, rows: pd.DataFrame, mask: pd.Series | np.ndarray, found: pd.Series | str
) -> list[Fault]:
    """A fault for every row under the mask."""
    mask = np.asarray(mask, dtype=bool)
    texts = [found] * int(mask.sum()) if isinstance(found, str) else found[mask].map(str).tolist()
    return [
        Fault(check, key, text)
        for key, text in zip(rows["sample_id"][mask].tolist(), texts, strict=True)
    ]


def _keys(manifest: pd.DataFrame) -> list[Fault]:
    ids, paths = (
        manifest["sample_id"],
        manifest[["sample_id", "image_path", "orig_image"]].fillna(""),
    )
    outside = pd.Series(False, index=manifest.index)
    for column in paths:
        outside |= (
            paths[column]
            .astype(str)
            .str.contains(r"^/|^[A-Za-z]:[\\/]|\\|(?:^|/)\.\.(?:/|$)", regex=True)
        )
    foreign = [
        not key.startswith(f"{source}/")
        for key, source in zip(ids, manifest["source"], strict=True)
    ]
    return [
        *_faults("unique id", manifest, ids.duplicated(), "the sample_id occurs more than once"),
        *_faults("path", manifest, outside, "a path that is absolute or leaves its root"),
        *_faults(
            "path",
            manifest,
            np.array(foreign, dtype=bool),
            "the sample_id does not begin with its source",
        ),
    ]


def _values(manifest: pd.DataFrame) -> list[Fault]:
    kept = manifest["split"] != "dropped"
    reason = manifest["reason"]
    votes = manifest["votes"]
    bad_votes = [
        v is not None
        and not (len(v) == N_CLASSES and np.isfinite(v).all() and (np.asarray(v) >= 0).all())
        for v in votes
    ]
    return [
        *_faults(
            "label",
            manifest,
            kept & ~manifest["label"].between(0, N_CLASSES - 1),
            manifest["label"],
        ),
        *_faults(
            "split", manifest, ~manifest["split"].isin([*SPLITS, "dropped"]), manifest["split"]
        ),
        *_faults(
            "reason",
            manifest,
            ((reason == "") != kept) | ~reason.isin(["", *REASONS]),
            manifest["split"] + ": " + reason,
        ),
        *_faults(
            "votes",
            manifest,
            np.array(bad_votes, dtype=bool),
            f"not {N_CLASSES} numbers of at least 0",
        ),
        *_faults("weight", manifest, ~(manifest["weight"] > 0), manifest["weight"]),
    ]


def _agreement(manifest: pd.DataFrame, stored: pd.DataFrame, faces: pd.DataFrame) -> list[Fault]:
    """Every manifest row is the store's row of that number, and no row of a store is missing."""
    absent = stored["sample_id"].isna()
    faults = _faults("face store", manifest, absent, "no face store has this row")
    for column in ("sample_id", "label", "usage", "group", "width", "height"):
        differs = ~absent.to_numpy() & (
            manifest[column].to_numpy(dtype=object) != stored[column].to_numpy(dtype=object)
        )
        found = (
            f"{column} " + manifest[column].map(str) + ", in the store " + stored[column].map(str)
        )
        faults += _faults("face store", manifest, differs, found)
    missing = faces[~faces["sample_id"].isin(manifest["sample_id"])]
    return faults + _faults(
        "face store", missing, np.ones(len(missing), dtype=bool), "this face is not in the manifest"
    )


def _final_splits(
    manifest: pd.DataFrame, stored: pd.DataFrame, options: ManifestOptions
) -> list[Fault]:
    """Test rows of a source are its test rows in the end, all and (unless test was to be carved)
    alone; its own val likewise.
    """
    carved = list(options.test_fraction)
    said = stored["split"].fillna("none").mask(stored["label"] == -1, "none")
    own_val = manifest["source"].isin(manifest.loc[said == "val", "source"])
    final = manifest["split"]
    wrong = (
        ((said == "test") & (final != "test"))
        | ((said == "none") & (final != "dropped"))
        | ((said == "val") & ~final.isin(["val", "dropped"]))
        | (
            (said == "train")
            & (
                ((final == "test") & ~manifest["source"].isin(carved))
                | ((final == "val") & own_val)
            )
        )
    )
    tested_only = manifest["source"].isin(options.eval_only) & ~final.isin(["test", "dropped"])
    return [
        *_faults(
            "split", manifest, wrong, final + ", though the source says " + stored["split"].map(str)
        ),
        *_faults(
            "split", manifest, tested_only, final + ", though the source is listed under eval_only"
        ),
    ]


def _decode_records(manifest: pd.DataFrame, stored: pd.DataFrame) -> list[Fault]:
    proven = (
        stored["pixel_sha256"].fillna("").str.fullmatch(r"[0-9a-f]{64}")
        & (manifest["width"] > 0)
        & (manifest["height"] > 0)
    )
    side = manifest["min_side"] != manifest[["width", "height"]].min(axis=1)
    return [
        *_faults("decode", manifest, ~proven, "no record that this image was decoded"),
        *_faults("decode", manifest, side, "min_side is not the shorter side"),
    ]


def _boxes(manifest: pd.DataFrame) -> list[Fault]:
    """A box has four sides or none, they are in order, and the box meets its photo (a reader clips
    what sticks out).
    """
    box = manifest[["bbox_top", "bbox_left", "bbox_bottom", "bbox_right"]]
    given = box.notna()
    top, left, bottom, right = (box[name].to_numpy(dtype=float, na_value=0) for name in box)
    whole = given.all(axis=1).to_numpy()
    sound = (bottom > np.maximum(top, 0)) & (right > np.maximum(left, 0))
    wrong = (given.any(axis=1).to_numpy() & ~whole) | (whole & ~sound)
    found = pd.Series(
        [
            f"top, left, bottom, right {sides}"
            for sides in zip(*(box[name] for name in box), strict=True)
        ]
    )
    return _faults("box", manifest, wrong, found)


def _announced(stores: Mapping[str, FaceStore], faces: pd.DataFrame) -> list[Fault]:
    """Every entry that a reader announced became a face of the same split and class, or a named
    exclusion.
    """
    faults = []
    words = np.array([*CLASSES, "unlabelled"], dtype=object)
    for source, store in stores.items():
        announced = Counter(
            {
                (split, word): n
                for split, counts in store.meta["announced"].items()
                for word, n in counts.items()
            }
        )
        mine = faces[faces["source"] == source]
        found = Counter(zip(mine["split"], words[mine["label"].to_numpy()], strict=True))
        for split, word in sorted(key for key in found if found[key] > announced[key]):
            text = f"{found[split, word]} faces, the reader announced {announced[split, word]}"
            faults.append(Fault("announced", f"{source}/{split}/{word}", text))
        excluded = len(store.meta["exclusions"])
        if len(mine) + excluded != announced.total():
            text = (
                f"{len(mine)} faces and {excluded} exclusions, the reader announced "
                f"{announced.total()}"
            )
            faults.append(Fault("announced", source, text))
    return faults


def _leaks(manifest: pd.DataFrame, eligible: pd.DataFrame, twins: Twins) -> list[Fault]:
    clusters = pd.DataFrame(
        {
            "source": eligible["source"],
            "row": eligible["row"],
            "exact": twins.exact,
            "cluster": twins.cluster,
        }
    )
    kept = manifest[manifest["split"] != "dropped"].merge(clusters, on=["source", "row"])
    return [
        Fault(
            "leakage",
            leak.sample_id,
            f"{leak.split}, its {leak.kind} {leak.other_id} in {leak.other_split}",
        )
        for leak in find_leaks(kept, kept["exact"].to_numpy(), kept["cluster"].to_numpy())
    ]


def _minima(manifest: pd.DataFrame, least: MinPerClass) -> list[Fault]:
    faults = []
    for split in SPLITS:
        labels = manifest.loc[
            (manifest["split"] == split) & manifest["label"].between(0, N_CLASSES - 1), "label"
        ].to_numpy()
        for name, found in zip(CLASSES, np.bincount(labels, minlength=N_CLASSES), strict=True):
            if found < (wanted := getattr(least, split)):
                faults.append(
                    Fault(
                        "minimum",
                        f"{split}/{name}",
                        f"{found} rows, validate.min_per_class.{split} is {wanted}",
                    )
                )
    return faults


def _sets(
    manifest: pd.DataFrame, sets: Mapping[str, SetFilter]
) -> tuple[dict[str, int], list[Fault]]:
    """Rows of every named set, and a fault for each that has none or names what is not there."""
    rows, faults = {}, []
    for name, chosen in sets.items():
        try:
            rows[name] = int(select(manifest, chosen, name).sum())
            if chosen.rows not in (None, rows[name]):
                faults.append(
                    Fault(
                        "named set", name, f"{rows[name]} rows, sets.{name}.rows is {chosen.rows}"
                    )
                )
        except DataError as error:
            faults.append(
                Fault("named set", name, " ".join(f"{error.problem} {error.found or ''}".split()))
            )
    return rows, faults
