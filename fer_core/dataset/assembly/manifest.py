"""The manifest: one row for every face of every listed source, with its final split or the reason
why it is in none.
"""

import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from fer_core.base.errors import DataError, ParamsError
from fer_core.base.labels import SELF_LABELLED
from fer_core.base.params import Section
from fer_core.dataset.assembly.leakage import (
    TWIN_REASONS,
    TwinOptions,
    drop_leaks,
    group_codes,
    usable,
)
from fer_core.dataset.assembly.near_duplicates import Twins, find_twins, union
from fer_core.dataset.assembly.splits import carve_sources
from fer_core.dataset.manifest.table import MANIFEST_SCHEMA
from fer_core.dataset.store.store import FaceStore

__all__ = [
    "UNCLEANED",
    "ManifestOptions",
    "build_manifest",
    "load_faces",
    "open_stores",
    "twins_of",
]

log = logging.getLogger(__name__)

_MANY = 0.05

UNCLEANED = "_uncleaned"
"""How the name of a data set ends that is another one's pictures as they came: it never trains."""


class ManifestOptions(Section):
    """How data sets become one manifest with final splits.

    Attributes:
        sources: data sets in order of preference: of train twins the row of the first one stays.
        eval_only: those of them of which only test rows are used.
        val_fraction: share of a source's train rows carved into val where the source brings no val
            split.
        calib_fraction: share carved into calib.
        test_fraction: source -> share carved into test, for sources that bring no test split
            (ExpW).
        missing_test_fraction: the same for every other source that brings no test split.
        non_faces: "drop" flagged train and val rows (blank frames, text), or "keep" them; test rows
            always stay.
        twins: what happens to faces that show the same picture.
        near_duplicate_bits: greatest Hamming distance of the perceptual hashes of near twins; 0
            looks for exact twins only.
        near_duplicate_correlation: least correlation of their thumbnails.
        near_duplicate_mirrored: look for near twins that are mirrored too.
    """

    sources: list[str] = Field(min_length=1)
    eval_only: list[str] = Field(default_factory=list)
    val_fraction: Annotated[float, Field(ge=0, lt=1)]
    calib_fraction: Annotated[float, Field(ge=0, lt=1)]
    test_fraction: dict[str, Annotated[float, Field(gt=0, lt=1)]]
    missing_test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    non_faces: Literal["drop", "keep"]
    twins: TwinOptions
    near_duplicate_bits: Annotated[int, Field(ge=0, le=16)]
    near_duplicate_correlation: Annotated[float, Field(gt=0, le=1)]
    near_duplicate_mirrored: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> "ManifestOptions":
        if len(set(self.sources)) < len(self.sources):
            raise ValueError("a source is listed twice")
        if unknown := set(self.eval_only) - set(self.sources):
            raise ValueError(f"eval_only names {sorted(unknown)}, which sources does not list")
        if set(self.eval_only) == set(self.sources):
            raise ValueError("eval_only leaves nothing to train on")
        if trained := [
            name for name in self.sources if name.endswith(UNCLEANED) and name not in self.eval_only
        ]:
            raise ValueError(
                f"{', '.join(trained)}: an uncleaned edition is only evaluated, list it under "
                "eval_only"
            )
        if unknown := set(self.test_fraction) - set(self.sources):
            raise ValueError(f"test_fraction names {sorted(unknown)}, which sources does not list")
        if (
            self.val_fraction
            + self.calib_fraction
            + max(self.missing_test_fraction, *self.test_fraction.values(), 0)
            >= 1
        ):
            raise ValueError("the fractions leave nothing to train on")
        return self

    def carved_from(self, with_test: Collection[str]) -> dict[str, float]:
        """Source -> share of its rows that becomes test.

        Args:
            with_test: sources that bring a test split of their own.
        """
        shares = {
            source: self.test_fraction.get(source, self.missing_test_fraction)
            for source in self.sources
            if source not in with_test
        }
        return {source: share for source, share in shares.items() if share}


def open_stores(folder: Path, sources: list[str]) -> dict[str, FaceStore]:
    """The face stores of the listed sources, in that order.

    Raises:
        ParamsError: no data set of that name.
        DataError: a listed data set has no faces on this machine.
    """
    stores = {}
    for name in sources:
        file = folder / f"{name}.arrow"
        if not file.exists():
            known = sorted(path.stem for path in folder.glob("*.arrow"))
            raise ParamsError(
                "Unknown data set.",
                where="params.yaml: manifest.sources",
                found=name,
                expected=", ".join(known),
            )
        stores[name] = FaceStore.open(file, name)
        if len(stores[name]) == 0:
            raise DataError(
                "A listed data set has no faces.",
                where=f"params.yaml: manifest.sources: {name}",
                remedy=f"`fer data add {name} PATH` with the folder that holds it, or take it off "
                "the list",
            )
    return stores


def load_faces(stores: Mapping[str, FaceStore]) -> pd.DataFrame:
    """Everything but the images: the columns of the stores plus `source`, `row` and `preference`,
    sorted by `sample_id`.
    """
    frames = []
    for preference, (source, store) in enumerate(stores.items()):
        frame = store.table_without_images()
        frames.append(
            frame.assign(
                source=source, row=np.arange(len(frame), dtype=np.int32), preference=preference
            )
        )
    return pd.concat(frames, ignore_index=True).sort_values(
        ["sample_id", "preference", "row"], ignore_index=True
    )


def twins_of(
    faces: pd.DataFrame, stores: Mapping[str, FaceStore], options: ManifestOptions
) -> Twins:
    """Exact and near twins among faces (columns `source`, `row` and those of `find_twins`)."""
    sources, rows = (faces[column].tolist() for column in ("source", "row"))

    def thumbnail(index: int) -> bytes:
        return stores[sources[index]].thumbnail(rows[index])

    bits, correlation = options.near_duplicate_bits, options.near_duplicate_correlation
    return find_twins(faces, thumbnail, bits, correlation, mirrored=options.near_duplicate_mirrored)


def build_manifest(
    stores: Mapping[str, FaceStore], options: ManifestOptions, seed: int
) -> pd.DataFrame:
    """Decide the final split of every face.

    Args:
        stores: the listed sources in order of preference.
        options: section `manifest`.
        seed: decides which units are carved.

    Returns:
        The columns of `MANIFEST_SCHEMA`, sorted by sample_id.

    Raises:
        DataError: two faces have one sample_id.
    """
    faces = load_faces(stores)
    if len(repeated := faces.loc[faces["sample_id"].duplicated(), "sample_id"]):
        raise DataError(
            "A sample_id occurs twice.",
            where="data/clean",
            found=repeated.iloc[0],
            expected="one key for each face",
        )
    eligible = usable(faces)
    cluster = np.arange(len(faces), 2 * len(faces))
    cluster[eligible] = twins_of(faces[eligible], stores, options).cluster
    own_test = set(faces.loc[faces["split"] == "test", "source"])
    faces.loc[faces["source"].isin(options.eval_only), "preference"] += len(
        stores
    )  # what trains comes first
    manifest = drop_leaks(
        faces,
        cluster,
        options.non_faces == "drop",
        options.twins,
        set(options.eval_only) & own_test,
    )

    _warn_of_losses(manifest)
    with_val = set(faces.loc[eligible & (faces["split"] == "val"), "source"])
    manifest["unit"] = _units(faces, cluster)
    train = manifest["split"] == "train"
    if with_test := sorted(set(options.test_fraction) & own_test):
        raise ParamsError(
            "A source brings a test split of its own: none may be carved.",
            where=f"params.yaml: manifest.test_fraction.{with_test[0]}",
            remedy="remove the key",
        )
    manifest.loc[train, "split"] = carve_sources(
        manifest[train],
        with_val,
        options.val_fraction,
        options.calib_fraction,
        options.carved_from(own_test),
        seed,
    )
    only_tested = manifest["source"].isin(options.eval_only) & manifest["split"].isin(
        ["train", "val", "calib"]
    )
    manifest.loc[only_tested, ["split", "reason"]] = ["dropped", "eval_only"]
    guessed = manifest["usage"] == SELF_LABELLED
    held_out = guessed & manifest["split"].isin(["val", "calib", "test"])
    manifest.loc[held_out, ["split", "reason"]] = ["dropped", "self_labelled"]

    manifest["votes"] = _votes_of_picture(manifest)
    manifest["weight"] = np.float32(1)
    manifest["min_side"] = manifest[["width", "height"]].min(axis=1)
    manifest["image_path"] = [
        re.sub(r"#\d+$", "", sample_id.removeprefix(f"{source}/"))
        for sample_id, source in zip(manifest["sample_id"], manifest["source"], strict=True)
    ]
    log.info("rows by split: %s", manifest["split"].value_counts().sort_index().to_dict())
    log.info(
        "dropped by reason: %s",
        manifest.loc[manifest["reason"] != "", "reason"].value_counts().sort_index().to_dict(),
    )
    return manifest[MANIFEST_SCHEMA.names]


def _warn_of_losses(manifest: pd.DataFrame) -> None:
    """Say which data sets lose more than a few of their faces because of near twins in themselves:
    equal pictures, and those of other data sets, are copies for sure.
    """
    usable_rows = manifest[~manifest["reason"].isin(("unlabelled", "no_split", "eval_only"))]
    twins = manifest.set_index("sample_id")[["source", "pixel_sha256"]]
    left = usable_rows[usable_rows["reason"].isin(TWIN_REASONS)]
    other = twins.reindex(left["duplicate_of"])
    near = (other["source"].to_numpy() == left["source"].to_numpy()) & (
        other["pixel_sha256"].to_numpy() != left["pixel_sha256"].to_numpy()
    )
    sizes = usable_rows["source"].value_counts()
    for source, rows in left[near].groupby("source"):
        if len(rows) > _MANY * sizes[source]:
            reasons = rows["reason"].value_counts()
            log.warning(
                "%s: %d of %d faces leave because of near twins in this data set (%s). If they are "
                "one person's pictures and no copies, say who is on each (`fer data add %s PATH "
                "--group-pattern REGEX`) or raise manifest.near_duplicate_correlation",
                source,
                len(rows),
                sizes[source],
                ", ".join(f"{reason} {count}" for reason, count in reasons.items()),
                source,
            )


def _votes_of_picture(faces: pd.DataFrame) -> pd.Series:
    """Votes of every face: its own, else those of the first face with the same pixels that has any
    of people, by preference and then by name.

    So a picture that FER2013 labels and FERPlus votes on has both, whichever of its rows stays.
    """
    voted = (
        faces[faces["votes"].notna() & (faces["usage"] != SELF_LABELLED)]
        .sort_values(["preference", "sample_id"])
        .drop_duplicates("pixel_sha256")
    )
    votes = faces["votes"].where(
        faces["votes"].notna(), faces["pixel_sha256"].map(voted.set_index("pixel_sha256")["votes"])
    )
    return votes.astype(object).where(votes.notna(), None)


def _units(faces: pd.DataFrame, cluster: np.ndarray) -> np.ndarray:
    """The unit each train row is carved with, object [N]: the first sample_id among all train rows
    linked by group or twins.

    Rows of other splits link nothing, so that one more test set does not move a single train row.
    """
    train = np.flatnonzero((faces["split"] == "train") & usable(faces))
    units = faces["sample_id"].to_numpy(dtype=object).copy()
    nodes = len(train)
    links = [np.empty((0, 2), dtype=np.int64)]
    for key in (cluster[train], group_codes(faces)[train]):
        code = pd.factorize(key)[0]
        links.append(np.stack([np.arange(len(train)), nodes + code], axis=1))
        nodes += int(code.max(initial=-1)) + 1
    component = union(nodes, np.concatenate(links))[: len(train)]
    units[train] = (
        pd.Series(units[train]).groupby(component).transform("min").to_numpy(dtype=object)
    )
    return units
