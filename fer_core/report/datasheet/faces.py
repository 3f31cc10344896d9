"""The faces a data sheet is about: the manifest's rows with what else it shows of them, checked
against the face stores.
"""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import CLASSES, UNLABELLED
from fer_core.dataset.assembly.leakage import REASONS
from fer_core.dataset.pack.rows import SPLITS
from fer_core.dataset.store.store import FaceStore

__all__ = ["DROPPED", "datasheet_faces", "draw_numbers"]

DROPPED = "dropped"
_COLUMNS = [
    "sample_id",
    "source",
    "row",
    "label",
    "split",
    "reason",
    "usage",
    "duplicate_of",
    "width",
    "height",
    "min_side",
]
_WHERE = "data/manifest.parquet"
_REMEDY = "run `fer run manifest`"


def datasheet_faces(
    manifest: pd.DataFrame, stores: Mapping[str, FaceStore], seed: int
) -> pd.DataFrame:
    """The manifest's rows, index 0..N-1, for counting and for drawing from.

    Args:
        manifest: as `read_manifest` gives it; it need not have passed the gate.
        stores: the face stores of the listed sources, in that order.
        seed: decides the numbers to draw by.

    Returns:
        Columns `sample_id`, `source` (ordered categories, as in `stores`), `row`, `label`, `split`
        (ordered categories, `dropped` last), `reason`, `usage`, `width`, `height`, `min_side`, and:
        `class` (its name, or "unlabelled"), `flag` (of the store, "" for a face), `twin` (int64,
        index of the row that `duplicate_of` names, or -1), `draw` (uint64).

    Raises:
        ArtifactError: the manifest was made from other stores, or a row breaks its contract: names
            it.
    """
    faces = manifest[_COLUMNS].reset_index(drop=True)
    _check(faces)
    faces["flag"] = _flags(faces, stores)
    twin = pd.Index(faces["sample_id"]).get_indexer(pd.Index(faces["duplicate_of"]))
    _refuse(
        faces,
        (faces["duplicate_of"] != "").to_numpy() & (twin < 0),
        "duplicate_of",
        "the sample_id of a row",
    )
    faces["twin"] = twin.astype(np.int64)
    faces["class"] = np.array([*CLASSES, "unlabelled"], dtype=object)[faces["label"].to_numpy()]
    faces["draw"] = draw_numbers(seed, faces["sample_id"])
    faces["source"] = pd.Categorical(faces["source"], list(stores), ordered=True)
    faces["split"] = pd.Categorical(faces["split"], [*SPLITS, DROPPED], ordered=True)
    return faces.drop(columns="duplicate_of")


def draw_numbers(seed: int, sample_ids: Iterable[str]) -> np.ndarray:
    """A random number for every face, uint64 [N]: of the seed and its name alone, so that other
    rows do not change who is drawn.
    """
    hashes = (
        hashlib.sha256(f"{seed}:{sample_id}".encode()).digest()[:8] for sample_id in sample_ids
    )
    return np.frombuffer(b"".join(hashes), dtype=">u8").astype(np.uint64)


def _check(faces: pd.DataFrame) -> None:
    _refuse(faces, faces["sample_id"].duplicated(), "sample_id", "each once")
    _refuse(faces, ~faces["split"].isin([*SPLITS, DROPPED]), "split", (*SPLITS, DROPPED))
    dropped = faces["split"] == DROPPED
    _refuse(faces, dropped & ~faces["reason"].isin(REASONS), "reason", REASONS)
    _refuse(faces, ~dropped & (faces["reason"] != ""), "reason", "none, for this row stays")
    _refuse(
        faces,
        ~faces["label"].between(UNLABELLED, len(CLASSES) - 1),
        "label",
        f"{UNLABELLED} to {len(CLASSES) - 1}",
    )
    _refuse(
        faces, ~dropped & (faces["label"] == UNLABELLED), "label", "a class, for this row stays"
    )
    _refuse(faces, faces["min_side"] < 1, "min_side", "at least 1")


def _refuse(
    faces: pd.DataFrame, wrong: pd.Series | np.ndarray, column: str, expected: object
) -> None:
    """Raise for the first row under the mask."""
    if len(bad := faces[np.asarray(wrong, dtype=bool)]):
        raise ArtifactError(
            "A row of the manifest breaks its contract.",
            where=f"{_WHERE}: {bad['sample_id'].iloc[0]}: {column}",
            found=bad[column].iloc[0],
            expected=expected,
            remedy=_REMEDY,
        )


def _flags(faces: pd.DataFrame, stores: Mapping[str, FaceStore]) -> np.ndarray:
    """The store's flag of every row, object [N]; refuses rows that are not the stores'."""
    _refuse(faces, ~faces["source"].isin(list(stores)), "source", ", ".join(stores))
    flags = np.empty(len(faces), dtype=object)
    for source, store in stores.items():
        mine = np.flatnonzero((faces["source"] == source).to_numpy())
        rows = faces["row"].to_numpy()[mine]
        if not np.array_equal(np.sort(rows), np.arange(len(store))):
            raise ArtifactError(
                "The manifest has other rows than this face store.",
                where=store.path,
                found=f"{len(mine)} rows in the manifest",
                expected=f"each of the {len(store)} faces once",
                remedy=_REMEDY,
            )
        table = store.table_without_images()
        stored = table["sample_id"].to_numpy(dtype=object)[rows]
        if len(other := np.flatnonzero(stored != faces["sample_id"].to_numpy(dtype=object)[mine])):
            raise ArtifactError(
                "The manifest was made from another face store.",
                where=f"{store.path}, row {rows[other[0]]}",
                found=stored[other[0]],
                expected=faces["sample_id"].iloc[mine[other[0]]],
                remedy=_REMEDY,
            )
        flags[mine] = table["flag"].to_numpy(dtype=object)[rows]
    return flags
