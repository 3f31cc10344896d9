"""Logits of one network for the rows of one half of the pack: un-fused, un-tempered, each row known
by its sample_id.

A folder holds `logits.json` (what made them), `index.parquet` (which rows), `eval.npy` (the
evaluation view) and, where there are train rows, `views.npy` (the stored training views). Teachers
store float16, students float32.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fer_core.base.artifact import (
    REMAKE,
    Header,
    new_artifact,
    open_artifact,
    read_values,
    write_values,
)
from fer_core.base.errors import ArtifactError
from fer_core.base.labels import N_CLASSES
from fer_core.dataset.pack.rows import Rows
from fer_core.dataset.pack.tables import read_table, write_table

__all__ = [
    "LogitsSet",
    "Origin",
    "logits_of_rows",
    "read_logits",
    "read_recorded_logits",
    "write_logits",
]

_KIND, _ABOUT_FILE = "logits/2", "logits.json"
_INDEX_KIND = "logits_index/1"
_INDEX = pa.schema(
    [
        pa.field(name, kind, nullable=False)
        for name, kind in [("sample_id", pa.string()), ("label", pa.int8()), ("split", pa.string())]
    ]
)
_DTYPES = ("float16", "float32")


@dataclass(frozen=True)
class _About:
    """What the header does not say; see `LogitsSet`."""

    covers: tuple[str, ...]
    fold_sha256: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """What logits were computed with.

    Attributes:
        model: name of the network: a teacher's tag or a student's key.
        model_sha256: hash of its weights.
        preprocessing_hash: of what the images went through, at any size: networks of other image
            sizes may be fused.
        views_hash: of the view options; None without views.
        fold_sha256: hashes of the weights of the networks that train rows were run through, each
            those of the fold it had not learnt from; empty where the network itself ran them.
    """

    model: str
    model_sha256: str
    preprocessing_hash: str
    views_hash: str | None = None
    fold_sha256: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LogitsSet(Origin):
    """Logits of N rows, in the rows' order, and what they were computed with.

    Attributes:
        rows_sha256: hash of the `rows.parquet` that the rows came from.
        covers: the splits whose rows are all here: ("train", "val", "calib"), ("val", "calib") or
            ("test",).
        sample_ids: of the N rows.
        labels: int8 [N].
        splits: str [N].
        eval: float16 or float32 [N, 7], logits of the evaluation view (view 0).
        views: the same type [N_train, K, 7], logits of views 1 … K of the train rows; None without.
    """

    rows_sha256: str
    covers: tuple[str, ...]
    sample_ids: list[str]
    labels: np.ndarray
    splits: np.ndarray
    eval: np.ndarray
    views: np.ndarray | None

    def __len__(self) -> int:
        return len(self.sample_ids)

    def rows_of(self, *names: str) -> np.ndarray:
        """Numbers of the rows of these splits, int64, ascending."""
        return np.flatnonzero(np.isin(self.splits, names))

    def only(self, *names: str) -> "LogitsSet":
        """The rows of some of the splits covered; the views stay only with the train rows.

        Raises:
            ArtifactError: a split that is not covered.
        """
        if missing := [name for name in names if name not in self.covers]:
            raise ArtifactError(
                "These logits do not cover a split.",
                where=self.model,
                found=self.covers,
                expected=missing,
            )
        kept = self.rows_of(*names)
        train = "train" in names
        return LogitsSet(
            **{
                name: getattr(self, name)
                for name in ("model", "model_sha256", "rows_sha256", "preprocessing_hash")
            },
            views_hash=self.views_hash if train else None,
            covers=tuple(name for name in self.covers if name in names),
            sample_ids=[self.sample_ids[i] for i in kept],
            labels=self.labels[kept],
            splits=self.splits[kept],
            eval=self.eval[kept],
            views=self.views if train else None,
            fold_sha256=self.fold_sha256 if train else (),
        )

    def check_rows(self, rows: Rows, where: object = None) -> None:
        """Refuse to be used with other rows than those it was made from.

        Raises:
            ArtifactError: another `rows.parquet`, a row missing or too many, another order, label
                or split.
        """
        where = where or self.model
        if self.rows_sha256 != rows.sha256:
            raise ArtifactError(
                "These logits were made from other rows.",
                where=where,
                found=self.rows_sha256,
                expected=rows.sha256,
                remedy=REMAKE,
            )
        chosen = rows.split(*self.covers)
        if len(self) != len(chosen):
            raise ArtifactError(
                "These logits miss rows or have too many.",
                where=where,
                found=len(self),
                expected=len(chosen),
                remedy=REMAKE,
            )
        frame = rows.frame.iloc[chosen]
        for name, mine, theirs in (
            (
                "sample_id",
                np.asarray(self.sample_ids, dtype=object),
                frame["sample_id"].to_numpy(dtype=object),
            ),
            ("label", self.labels, frame["label"].to_numpy(dtype=np.int8)),
            ("split", self.splits, frame["split"].to_numpy(dtype=object)),
        ):
            if len(wrong := np.flatnonzero(mine != theirs)):
                first = wrong[0]
                raise ArtifactError(
                    f"The {name} of {len(wrong)} rows of these logits is not the pack's.",
                    where=f"{where}: row {first}",
                    found=mine[first],
                    expected=theirs[first],
                    remedy=REMAKE,
                )


def logits_of_rows(
    rows: Rows,
    covers: tuple[str, ...],
    origin: Origin,
    eval: np.ndarray,
    views: np.ndarray | None = None,
) -> LogitsSet:
    """Logits that were just computed for all rows of the splits `covers`, in the order of
    `rows.split(*covers)`.

    Raises:
        ArtifactError: shapes that do not fit the rows, a type other than float16 and float32, or a
            logit that is not finite.
    """
    frame = rows.frame.iloc[rows.split(*covers)]
    made = LogitsSet(
        **vars(origin),
        rows_sha256=rows.sha256,
        covers=covers,
        sample_ids=frame["sample_id"].tolist(),
        labels=frame["label"].to_numpy(dtype=np.int8),
        splits=frame["split"].to_numpy(dtype=object),
        eval=eval,
        views=views,
    )
    _check_arrays(made, origin.model)
    return made


def write_logits(folder: Path, logits: LogitsSet) -> None:
    """Write the folder in one step.

    Raises:
        ArtifactError: the arrays do not fit the rows or are not finite.
    """
    _check_arrays(logits, folder)
    made_from = {"model": logits.model_sha256, "preprocessing": logits.preprocessing_hash}
    if logits.views_hash is not None:
        made_from["views"] = logits.views_hash
    header = Header(_KIND, logits.model, len(logits), logits.rows_sha256, made_from)
    with new_artifact(folder, header) as temporary:
        write_values(temporary / _ABOUT_FILE, _About(logits.covers, logits.fold_sha256))
        frame = pd.DataFrame(
            {"sample_id": logits.sample_ids, "label": logits.labels, "split": logits.splits}
        )
        write_table(temporary / "index.parquet", frame, _INDEX, _INDEX_KIND)
        np.save(temporary / "eval.npy", np.ascontiguousarray(logits.eval), allow_pickle=False)
        if logits.views is not None:
            np.save(temporary / "views.npy", np.ascontiguousarray(logits.views), allow_pickle=False)


def read_logits(folder: Path, rows: Rows, model: str | None = None) -> LogitsSet:
    """Read logits and verify them against the rows that they must be of.

    Args:
        folder: the artifact.
        rows: of the half of the pack.
        model: whose logits they must be; None where that does not matter.

    Raises:
        ArtifactError: missing, damaged, of another version, network, class order, shape or type,
            not finite, or of other rows, labels or order.
    """
    logits = read_recorded_logits(folder, model)
    logits.check_rows(rows, folder)
    return logits


def read_recorded_logits(folder: Path, model: str | None = None) -> LogitsSet:
    """Read logits whose rows are those recorded with them; use `read_logits` wherever the pack's
    rows are at hand.

    Raises:
        ArtifactError: all that `read_logits` refuses except other rows.
    """
    header = open_artifact(folder, _KIND, model)
    about = read_values(folder / _ABOUT_FILE, _About)
    index = read_table(folder / "index.parquet", _INDEX, _INDEX_KIND)
    logits = LogitsSet(
        model=header.key,
        model_sha256=header.made_from["model"],
        rows_sha256=header.rows_sha256 or "",
        preprocessing_hash=header.made_from["preprocessing"],
        views_hash=header.made_from.get("views"),
        covers=about.covers,
        sample_ids=index["sample_id"].tolist(),
        labels=index["label"].to_numpy(dtype=np.int8),
        splits=index["split"].to_numpy(dtype=object),
        eval=_load(folder / "eval.npy"),
        views=_load(folder / "views.npy") if "views.npy" in header.files else None,
        fold_sha256=about.fold_sha256,
    )
    _check_arrays(logits, folder)
    if len(logits) != header.rows:
        raise ArtifactError(
            "These logits are not of as many rows as their header says.",
            where=folder,
            found=len(logits),
            expected=header.rows,
            remedy=REMAKE,
        )
    return logits


def _load(file: Path) -> np.ndarray:
    try:
        return np.load(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise ArtifactError("A file is missing.", where=file, remedy=REMAKE) from error
    except (ValueError, EOFError, OSError) as error:
        raise ArtifactError(
            "This array is damaged.", where=file, found=error, remedy=REMAKE
        ) from error


def _check_arrays(logits: LogitsSet, where: object) -> None:
    count = len(logits)
    if count == 0 or logits.eval.shape != (count, N_CLASSES):
        raise ArtifactError(
            "Logits do not fit their rows.",
            where=where,
            found=logits.eval.shape,
            expected=(count or "1 or more", N_CLASSES),
        )
    if set(logits.splits) - set(logits.covers):
        raise ArtifactError(
            "Logits hold a split they do not cover.",
            where=where,
            found=sorted(set(logits.splits)),
            expected=logits.covers,
        )
    arrays = [logits.eval]
    if logits.views is not None:
        train = len(logits.rows_of("train"))
        if (
            logits.views.ndim != 3
            or logits.views.shape[0] != train
            or logits.views.shape[1] < 1
            or logits.views.shape[2] != N_CLASSES
        ):
            raise ArtifactError(
                "The views do not fit the train rows.",
                where=where,
                found=logits.views.shape,
                expected=(train, "K", N_CLASSES),
            )
        arrays.append(logits.views)
    if (logits.views is None) != (logits.views_hash is None):
        raise ArtifactError(
            "Views and their hash go together.", where=where, found=logits.views_hash
        )
    for array in arrays:
        if array.dtype != logits.eval.dtype or str(array.dtype) not in _DTYPES:
            raise ArtifactError(
                "Logits are of another type.",
                where=where,
                found=array.dtype,
                expected=" or ".join(_DTYPES),
            )
        if not np.isfinite(array).all():
            raise ArtifactError(
                "A logit is not finite.",
                where=where,
                found=f"{int((~np.isfinite(array)).sum())} values",
                remedy="train the model again with a lower learning rate",
            )
