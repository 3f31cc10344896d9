"""The manifest: one row for every face of every listed source, with its final split or the reason
why it is in none.
"""

import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
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
from fer_core.dataset.pack.tables import PART_ROWS
from fer_core.dataset.store.imagehash import THUMBNAIL
from fer_core.dataset.store.store import STORE_SCHEMA, FaceStore

__all__ = [
    "UNCLEANED",
    "ManifestOptions",
    "build_manifest",
    "load_faces",
    "manifest_parts",
    "open_stores",
    "records_of",
    "twins_of",
]

log = logging.getLogger(__name__)

_MANY = 0.05
_DECISIVE = [
    *("sample_id", "label", "split", "usage", "group", "pixel_sha256", "phash", "flag", "votes"),
]
_RECORDED = [
    *("group", "width", "height", "confidence", "orig_image", "face_id"),
    *("bbox_top", "bbox_left", "bbox_right", "bbox_bottom"),
]

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


def load_faces(stores: Mapping[str, FaceStore], columns: Sequence[str] = _DECISIVE) -> pd.DataFrame:
    """What splits and twins are decided by, of every face, sorted by `sample_id`: about 70 bytes
    each. What else is recorded of a face stays in its store until it is written.

    Args:
        stores: the face stores in order of preference.
        columns: which columns of the stores.

    Returns:
        These columns, words (`split`, `usage`, `flag`) as categories in alphabetical order; `group`
        and `pixel_sha256` as int32 that are equal where the values are; instead of `votes` `voted`,
        whether the face has any; and `source`, `row`, and `preference`, the place of its source
        among the stores.
    """
    table = pa.concat_tables([store.table(STORE_SCHEMA.names) for store in stores.values()])
    order = pc.sort_indices(table["sample_id"]).to_numpy()  # stable: by preference and row
    faces = {}
    for name in columns:  # one at a time: what is mapped becomes memory when it is put in order
        column = table[name]
        if name in ("group", "pixel_sha256"):
            faces[name] = pd.factorize(column.to_pandas())[0].astype(np.int32)[order]
        elif name == "votes":
            faces["voted"] = column.is_valid().to_numpy()[order]
        elif name == "sample_id":
            faces[name] = column.take(order).to_pandas()
        elif pa.types.is_string(column.type):
            faces[name] = pd.Categorical(column.to_pandas())[order]
        else:
            faces[name] = column.to_numpy()[order]
    pa.default_memory_pool().release_unused()  # else the texts' tables would still take memory
    sizes = [len(store) for store in stores.values()]
    preference = np.repeat(np.arange(len(sizes), dtype=np.int8), sizes)[order]
    source = pd.Categorical.from_codes(preference, pd.Index(list(stores)))
    faces["source"] = source.reorder_categories(sorted(stores))
    faces["row"] = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])[order]
    faces["preference"] = preference
    return pd.DataFrame(faces)


def twins_of(
    faces: pd.DataFrame, stores: Mapping[str, FaceStore], options: ManifestOptions
) -> Twins:
    """Exact and near twins among faces (columns `source`, `row` and those of `find_twins`)."""
    source = pd.Categorical(faces["source"], list(stores)).codes
    rows, opened = faces["row"].to_numpy(), list(stores.values())

    def thumbnails(indices: np.ndarray) -> np.ndarray:
        found = np.empty((len(indices), THUMBNAIL * THUMBNAIL), dtype=np.uint8)
        for number in np.unique(source[indices]):
            mine = source[indices] == number
            found[mine] = opened[number].thumbnails(rows[indices[mine]])
        return found

    bits, correlation = options.near_duplicate_bits, options.near_duplicate_correlation
    return find_twins(
        faces, thumbnails, bits, correlation, mirrored=options.near_duplicate_mirrored
    )


def build_manifest(
    stores: Mapping[str, FaceStore], options: ManifestOptions, seed: int
) -> pd.DataFrame:
    """The parts of `manifest_parts` as one table."""
    return pd.concat(list(manifest_parts(stores, options, seed)), ignore_index=True)


def manifest_parts(
    stores: Mapping[str, FaceStore], options: ManifestOptions, seed: int
) -> Iterator[pd.DataFrame]:
    """Decide the final split of every face, then gather what else is known of it, part by part.

    Args:
        stores: the listed sources in order of preference.
        options: section `manifest`.
        seed: decides which units are carved.

    Returns:
        The columns of `MANIFEST_SCHEMA`, sorted by sample_id, in parts of `PART_ROWS` rows.

    Raises:
        DataError: two faces have one sample_id.
    """
    decided = _decide(stores, options, seed)
    for start in range(0, max(len(decided), 1), PART_ROWS):
        part = decided.iloc[start : start + PART_ROWS]
        yield _with_records(part, decided, stores)[MANIFEST_SCHEMA.names]


def _decide(stores: Mapping[str, FaceStore], options: ManifestOptions, seed: int) -> pd.DataFrame:
    """The faces of `load_faces` with final `split`, `reason`, `duplicate_of`, and `votes_of`: index
    of the face whose votes each has, or -1.
    """
    faces = load_faces(stores)
    same = (faces["sample_id"] == faces["sample_id"].shift()).to_numpy(dtype=bool, na_value=False)
    if same.any():
        raise DataError(
            "A sample_id occurs twice.",
            where="data/clean",
            found=faces["sample_id"].iloc[int(same.argmax())],
            expected="one key for each face",
        )
    eligible = usable(faces)
    cluster = np.arange(len(faces), 2 * len(faces))
    cluster[eligible] = twins_of(faces[eligible], stores, options).cluster
    own_test = set(faces.loc[faces["split"] == "test", "source"].unique())
    with_val = set(faces.loc[eligible & (faces["split"] == "val"), "source"].unique())
    units = _units(faces, cluster)
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
    del faces

    _warn_of_losses(manifest)
    train = (manifest["split"] == "train").to_numpy()
    if with_test := sorted(set(options.test_fraction) & own_test):
        raise ParamsError(
            "A source brings a test split of its own: none may be carved.",
            where=f"params.yaml: manifest.test_fraction.{with_test[0]}",
            remedy="remove the key",
        )
    rows = manifest.loc[train, ["source", "label"]]
    rows["unit"] = manifest["sample_id"].take(units[train]).array
    manifest.loc[train, "split"] = carve_sources(
        rows,
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
    manifest["votes_of"] = _votes_of_picture(manifest)
    log.info("rows by split: %s", manifest["split"].value_counts().sort_index().to_dict())
    log.info(
        "dropped by reason: %s",
        manifest.loc[manifest["reason"] != "", "reason"].value_counts().sort_index().to_dict(),
    )
    return manifest


def _with_records(
    part: pd.DataFrame, decided: pd.DataFrame, stores: Mapping[str, FaceStore]
) -> pd.DataFrame:
    """Some decided faces with everything that the manifest says of a face."""
    voter = part["votes_of"].to_numpy()
    votes = np.full(len(part), None, dtype=object)
    found = records_of(decided.iloc[voter[voter >= 0]], stores, ["votes"])
    votes[voter >= 0] = found["votes"].to_numpy()
    records = records_of(part, stores, _RECORDED).set_axis(part.index)
    part = part.drop(columns="group").join(records).assign(votes=votes, weight=np.float32(1))
    part["min_side"] = part[["width", "height"]].min(axis=1)
    part["image_path"] = [
        re.sub(r"#\d+$", "", sample_id.removeprefix(f"{source}/"))
        for sample_id, source in zip(part["sample_id"], part["source"], strict=True)
    ]
    return part


def records_of(
    faces: pd.DataFrame, stores: Mapping[str, FaceStore], columns: list[str]
) -> pd.DataFrame:
    """What the stores say of some faces, index 0..N-1; holes where no store has such a row.

    Args:
        faces: columns `source` and `row`.
        stores: the face stores.
        columns: which columns of the stores.
    """
    source, row = (faces[name].to_numpy() for name in ("source", "row"))
    frames = []
    for name, store in stores.items():
        mine = np.flatnonzero((source == name) & (row >= 0) & (row < len(store)))
        frames.append(store.frame(columns, row[mine]).set_axis(mine))
    return pd.concat(frames).reindex(np.arange(len(faces)))


def _warn_of_losses(manifest: pd.DataFrame) -> None:
    """Say which data sets lose more than a few of their faces because of near twins in themselves:
    equal pictures, and those of other data sets, are copies for sure.
    """
    unusable = manifest["reason"].isin(("unlabelled", "no_split", "eval_only"))
    left = manifest[manifest["reason"].isin(TWIN_REASONS)]
    others = manifest[manifest["sample_id"].isin(left["duplicate_of"])].set_index("sample_id")
    other = others[["source", "pixel_sha256"]].reindex(left["duplicate_of"])
    near = (other["source"].to_numpy() == left["source"].to_numpy()) & (
        other["pixel_sha256"].to_numpy() != left["pixel_sha256"].to_numpy()
    )
    sizes = manifest.loc[~unusable, "source"].value_counts()
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


def _votes_of_picture(faces: pd.DataFrame) -> np.ndarray:
    """Index of the face whose votes each has, int32 [N], -1 for none: itself, else the first face
    with the same pixels that has any of people, by preference and then by name.

    So a picture that FER2013 labels and FERPlus votes on has both, whichever of its rows stays.
    """
    voted = faces["voted"].to_numpy()
    voters = np.flatnonzero(voted & (faces["usage"] != SELF_LABELLED).to_numpy())
    voters = voters[np.argsort(faces["preference"].to_numpy()[voters], kind="stable")]
    picture = faces["pixel_sha256"].to_numpy()
    known, first = np.unique(picture[voters], return_index=True)
    places = np.searchsorted(known, picture)
    found = np.full(len(faces), -1, dtype=np.int32)
    if len(known):
        places = np.minimum(places, len(known) - 1)
        found = np.where(known[places] == picture, voters[first][places], -1).astype(np.int32)
    return np.where(voted, np.arange(len(faces), dtype=np.int32), found)


def _units(faces: pd.DataFrame, cluster: np.ndarray) -> np.ndarray:
    """The unit each train row is carved with, int64 [N]: the first of all train rows that are
    linked to it by group or twins.

    Rows of other splits link nothing, so that one more test set does not move a single train row.
    """
    train = np.flatnonzero((faces["split"] == "train") & usable(faces))
    nodes = len(train)
    links = [np.empty((0, 2), dtype=np.int64)]
    for key in (cluster[train], group_codes(faces)[train]):
        code = pd.factorize(key)[0]
        links.append(np.stack([np.arange(len(train)), nodes + code], axis=1))
        nodes += int(code.max(initial=-1)) + 1
    component = union(nodes, np.concatenate(links))[: len(train)]
    units = np.arange(len(faces))
    first = np.full(nodes, len(faces))
    np.minimum.at(first, component, train)
    units[train] = first[component]
    return units
