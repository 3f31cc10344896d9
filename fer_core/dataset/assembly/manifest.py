"""The manifest: one row for every face of every listed source, with its final split or the reason
why it is in none.
"""

import logging
import re
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from fer_core.base.errors import DataError, ParamsError
from fer_core.base.labels import SELF_LABELLED
from fer_core.dataset.assembly.faces import load_faces, records_of
from fer_core.dataset.assembly.leakage import TWIN_REASONS, drop_leaks, group_codes, usable
from fer_core.dataset.assembly.near_duplicates import Twins, find_twins, union
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.assembly.splits import carve_sources
from fer_core.dataset.manifest.table import MANIFEST_SCHEMA
from fer_core.dataset.pack.tables import PART_ROWS
from fer_core.dataset.store.imagehash import THUMBNAIL
from fer_core.dataset.store.store import FaceStore

__all__ = ["manifest_parts", "twins_of"]

log = logging.getLogger(__name__)

_MANY = 0.05
_RECORDED = [
    *("group", "width", "height", "confidence", "orig_image", "face_id"),
    *("bbox_top", "bbox_left", "bbox_right", "bbox_bottom"),
]


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
