"""The manifest in the original system's form: a CSV with its eleven columns, one row a face, and on
request the pictures beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from fer_core.base.errors import DataError, ParamsError
from fer_core.base.files import harmless_cell, new_file, new_folder
from fer_core.base.labels import CLASSES
from fer_core.base.logs import progress_off
from fer_core.dataset.pack.named_sets import SetFilter, select
from fer_core.dataset.store.store import FaceStore
from fer_core.pixels.decode import image_format

__all__ = [
    "COLUMNS",
    "DROPPED",
    "WHY_DROPPED",
    "Selection",
    "chosen_rows",
    "split_counts",
    "write_csv",
    "write_images",
]

COLUMNS = (
    "image_path",
    "label",
    "split",
    "source",
    "confidence",
    "orig_image",
    "face_id",
    "bbox_top",
    "bbox_left",
    "bbox_right",
    "bbox_bottom",
)
"""Columns of the CSV, in the original's order."""

_PATHS = {"image_path", "orig_image"}
_TEXTS = {*_PATHS, "source", "duplicate_of"}
WHY_DROPPED = ("reason", "duplicate_of")
"""Further columns of an export with dropped rows."""

DROPPED = "dropped"
"""Split of the rows that are in no split."""

_SPLITS = ("train", "val", "calib", "test")
_SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".bmp": "bmp", ".webp": "webp"}
_USUAL = {"png": ".png", "jpeg": ".jpg", "bmp": ".bmp", "webp": ".webp"}


@dataclass(frozen=True)
class Selection:
    """Which rows are exported; what is empty or None is no condition.

    Attributes:
        splits: final splits; with `with_dropped` also "dropped".
        sources: data sets.
        chosen: filter of a named set.
        set_name: its name, for error texts.
        with_dropped: dropped rows too.
    """

    splits: Sequence[str] = ()
    sources: Sequence[str] = ()
    chosen: SetFilter | None = None
    set_name: str = "set"
    with_dropped: bool = False


def chosen_rows(manifest: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    """The rows of a selection, in the manifest's order (by sample_id), with all its columns and a
    fresh index.

    Raises:
        ParamsError: a split or source that the manifest cannot or does not hold, or a named set
            asked for with dropped rows.
        DataError: no row meets every condition, or the named set is empty.
    """
    _check_known(
        "--split", selection.splits, [*_SPLITS, *([DROPPED] if selection.with_dropped else [])]
    )
    _check_known("--source", selection.sources, sorted(set(manifest["source"])))
    mask = np.ones(len(manifest), dtype=bool)
    if selection.chosen is not None:
        if selection.with_dropped:
            raise ParamsError(
                "A named set holds no dropped rows.",
                where="--set, --with-dropped",
                remedy="leave one of the two out",
            )
        mask &= select(manifest, selection.chosen, selection.set_name)
    elif not selection.with_dropped:
        mask &= (manifest["split"] != DROPPED).to_numpy(dtype=bool)
    for column, wanted in (("split", selection.splits), ("source", selection.sources)):
        if wanted:
            mask &= manifest[column].isin(list(wanted)).to_numpy(dtype=bool)
    if not mask.any():
        raise DataError(
            "No row of the manifest meets these conditions.",
            where="manifest",
            remedy="ask for fewer of them",
        )
    return manifest[mask].reset_index(drop=True)


def _check_known(option: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [name for name in wanted if name not in known]:
        raise ParamsError(
            "This is not in the manifest.",
            where=option,
            found=", ".join(unknown),
            expected=f"some of {', '.join(known)}",
        )


def write_csv(path: Path, rows: pd.DataFrame, *, with_dropped: bool = False) -> None:
    """Write rows as CSV: UTF-8, a header, `\\n` line ends, empty cells for what is unknown, labels
    as class names, and no cell that a spreadsheet takes for a formula.

    Args:
        path: the file, written whole or not at all.
        rows: columns of the manifest; `image_path` may have been replaced.
        with_dropped: also the columns `WHY_DROPPED`.
    """
    columns = [*COLUMNS, *(WHY_DROPPED if with_dropped else ())]
    table = rows[columns].assign(
        label=["" if label < 0 else CLASSES[label] for label in rows["label"]],
        confidence=[
            "" if pd.isna(value) else str(np.float32(value)) for value in rows["confidence"]
        ],
    )
    for column in _TEXTS.intersection(columns):
        table[column] = [
            harmless_cell(text, is_path=column in _PATHS) if isinstance(text, str) else text
            for text in table[column]
        ]
    with new_file(path) as temporary:
        table.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")


def write_images(rows: pd.DataFrame, clean: Path, folder: Path) -> pd.DataFrame:
    """Write the stored bytes of every row as a file.

    Args:
        rows: of the manifest.
        clean: folder of the face stores.
        folder: where to; it must be missing or empty, and holds all files or none.

    Returns:
        The rows with `image_path` relative to `folder` and unique: the sample_id (source, path
        within it, `#<face>` where a photo may have several), with the suffix of what the bytes are
        where it had another.

    Raises:
        DataError: the folder holds something, a path leaves it, two faces would have one file, or
            bytes are of no known format.
        ArtifactError: a store is missing, or is not the one that the manifest was made from.
    """
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            "Pictures are only written to an empty folder.",
            where=folder,
            remedy="name a new folder, or empty this one",
        )
    stores = {}
    for source in sorted(set(rows["source"])):
        stores[source] = FaceStore.open(clean / f"{source}.arrow", source)
        stores[source].check_rows(rows[rows["source"] == source])
    names: list[str] = []
    owners: dict[str, str] = {}
    faces = zip(rows["sample_id"], rows["source"], rows["row"], strict=True)
    with new_folder(folder) as temporary:
        for sample_id, source, row in tqdm(
            faces, total=len(rows), desc="export", unit="img", leave=False, disable=progress_off()
        ):
            data = stores[source].image(int(row))
            name = _file_name(sample_id, data)
            if (other := owners.setdefault(name.casefold(), sample_id)) != sample_id:
                raise DataError(
                    "Two faces would be written to one file.",
                    where=name,
                    found=f"{other} and {sample_id}",
                )
            names.append(name)
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_bytes(data)
    return rows.assign(image_path=names)


def _file_name(sample_id: str, data: bytes) -> str:
    parts = sample_id.split("/")
    if ".." in parts or "" in parts or "\\" in sample_id or "\0" in sample_id:
        raise DataError(
            "A face's name leaves the folder.",
            where="manifest",
            found=sample_id,
            expected="a relative path without '..'",
        )
    path, hash_sign, face = sample_id.rpartition("#")
    if not hash_sign or not face.isdecimal():
        path, face = sample_id, ""
    stem, dot, ending = path.rpartition(".")
    suffix = f".{ending}" if dot and f".{ending}".lower() in _SUFFIXES else ""
    stem = stem if suffix else path
    kind = image_format(data)
    if kind is None:
        raise DataError(
            "A stored picture is of no known format.",
            where=sample_id,
            found=repr(data[:8]),
            expected="PNG, JPEG, BMP or WebP",
        )
    if suffix and _SUFFIXES[suffix.lower()] != kind:
        stem, suffix = f"{stem}{suffix}", ""  # the old suffix stays: a.png and a.jpg are two faces
    return f"{stem}{f'#{face}' if face else ''}{suffix or _USUAL[kind]}"


def split_counts(manifest: pd.DataFrame) -> pd.DataFrame:
    """Rows by source and split (index, both in their usual order, "dropped" last) and class
    (columns, canonical order).

    A column `unlabelled` follows where there are such rows; the last one is `total`.
    """
    words = np.array([*CLASSES, "unlabelled"])[manifest["label"].to_numpy()]
    counts = pd.crosstab([manifest["source"], manifest["split"]], words)
    columns = [*CLASSES, *(["unlabelled"] if "unlabelled" in counts else [])]
    order = pd.MultiIndex.from_product(
        [sorted(set(manifest["source"])), [*_SPLITS, DROPPED]], names=["source", "split"]
    )
    counts = counts.reindex(
        index=[key for key in order if key in counts.index], columns=columns, fill_value=0
    )
    counts.index = pd.MultiIndex.from_tuples(counts.index, names=["source", "split"])
    counts.columns.name = None
    return counts.assign(total=counts.sum(axis=1))
