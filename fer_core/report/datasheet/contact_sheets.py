"""Contact sheets: which faces are shown, their thumbnails, and the grids and pairs that hold them.

Faces are drawn by a hash of seed and name, never by the order of rows: one more data set changes
only who it displaces. A sheet takes as many from each source and split as they have, up to an equal
share, so that a small data set is seen beside a large one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from tqdm import tqdm

from fer_core.base.labels import CLASSES
from fer_core.base.logs import progress_off
from fer_core.dataset.assembly.leakage import REASONS
from fer_core.dataset.store.store import FaceStore
from fer_core.pixels.parallel import ordered_map
from fer_core.report.datasheet.faces import DROPPED
from fer_core.report.templates.pictures import FaceGrid, FaceTile, picture_address

__all__ = [
    "Sheet",
    "TwinPair",
    "class_sheets",
    "excluded_grids",
    "left_out_sheets",
    "sheet_grid",
    "thumbnails",
    "twin_pair",
    "twin_sheets",
]

_FACES = 64
_PAIRS = 12


@dataclass(frozen=True)
class Sheet:
    """Some faces that have one thing in common.

    Attributes:
        kind: "class", "reason", "flag", or "twin" for pairs.
        key: the class, reason or flag; of pairs the reason, or "kept".
        total: how many faces there are.
        rows: index of those shown, in order of source, split and draw.
    """

    kind: str
    key: str
    total: int
    rows: tuple[int, ...]

    @property
    def title(self) -> str:
        """What the faces have in common, in words."""
        if self.kind == "flag":
            return f"Flagged: {self.key}"
        if (self.kind, self.key) == ("twin", "kept"):
            return "Kept beside an earlier twin"
        return self.key if self.kind == "class" else self.key.replace("_", " ").capitalize()

    @property
    def shown(self) -> str:
        """How many of how many are shown."""
        count, total = len(self.rows), self.total
        return f"{count:,} of {total:,}" if count < total else f"all {total:,}"


@dataclass(frozen=True)
class TwinPair:
    """A face beside the one that it names.

    Attributes:
        tiles: both faces, below each its class.
        differs: whether the classes differ.
        lines: where the first is from, and because of which other it left or is marked.
    """

    tiles: tuple[FaceTile, FaceTile]
    differs: bool
    lines: tuple[str, str]


def class_sheets(faces: pd.DataFrame) -> list[Sheet]:
    """Kept faces of every class."""
    kept = faces["split"] != DROPPED
    return [
        _sheet(faces, kept & (faces["class"] == name), "class", name, _FACES) for name in CLASSES
    ]


def left_out_sheets(faces: pd.DataFrame) -> list[Sheet]:
    """Dropped faces by every reason that occurs, then flagged ones, kept or not, by every flag."""
    sheets = [
        _sheet(faces, faces["reason"] == reason, "reason", reason, _FACES) for reason in REASONS
    ]
    sheets += [
        _sheet(faces, faces["flag"] == flag, "flag", flag, _FACES)
        for flag in sorted(set(faces["flag"].unique()) - {""})
    ]
    return [sheet for sheet in sheets if sheet.total]


def twin_sheets(faces: pd.DataFrame) -> list[Sheet]:
    """Rows that name another one, by the reason why they left, and last those that stay."""
    paired = faces["twin"] >= 0
    sheets = [
        _sheet(faces, paired & (faces["reason"] == reason), "twin", reason or "kept", _PAIRS)
        for reason in (*REASONS, "")
    ]
    return [sheet for sheet in sheets if sheet.total]


def thumbnails(
    faces: pd.DataFrame, stores: Mapping[str, FaceStore], sheets: Sequence[Sheet]
) -> dict[int, str]:
    """The `data:` address of a thumbnail of every face that these sheets show, and of the faces
    that those of a pair name.
    """
    shown = {row for sheet in sheets for row in sheet.rows}
    paired = [row for sheet in sheets if sheet.kind == "twin" for row in sheet.rows]
    shown.update(faces["twin"].iloc[paired].tolist())
    wanted = sorted(shown)
    columns = zip(
        *(faces[name].iloc[wanted] for name in ("source", "row", "sample_id", "width", "height")),
        strict=True,
    )

    def encode(face: tuple[str, int, str, int, int]) -> str:
        source, row, sample_id, width, height = face
        return picture_address(stores[source].image(int(row)), sample_id, int(width) * int(height))

    encoded = tqdm(
        ordered_map(encode, columns, chunk=8),
        total=len(wanted),
        desc="thumbnails",
        leave=False,
        disable=progress_off(),
    )
    return dict(zip(wanted, encoded, strict=True))


def sheet_grid(sheet: Sheet, faces: pd.DataFrame, pictures: Mapping[int, str]) -> FaceGrid:
    """The faces of a sheet."""
    names = faces["sample_id"].to_numpy()
    tiles = [FaceTile(names[row], pictures[row]) for row in sheet.rows]
    return FaceGrid(sheet.title, tiles, sheet.shown)


def twin_pair(row: int, faces: pd.DataFrame, pictures: Mapping[int, str]) -> TwinPair:
    """A face beside the one because of which it left, or beside which it stays."""
    both = [row, int(faces["twin"].to_numpy()[row])]
    pair = faces.iloc[both]
    first, second = (
        FaceTile(name, pictures[index], label)
        for index, name, label in zip(both, pair["sample_id"], pair["class"], strict=True)
    )
    (source, split, usage), (other, other_split, _) = pair[["source", "split", "usage"]].to_numpy()
    place = "dropped too" if other_split == DROPPED else f"in {other_split}"
    if split == DROPPED:
        origin = f"dropped from {source}" + (f" ({usage})" if usage else "")
        lines = (origin, f"because of {other}, {place}")
    else:
        lines = (f"in {split} of {source}", f"as in {other}, {place}")
    return TwinPair((first, second), first.words != second.words, lines)


def excluded_grids(stores: Mapping[str, FaceStore]) -> list[FaceGrid]:
    """For every reason for an exclusion a grid of what was left out, from the first entries of each
    data set.
    """
    found: dict[str, list[FaceTile]] = {}
    for store in stores.values():
        for reason, pictures in store.meta.get("excluded_pictures", {}).items():
            found.setdefault(reason, []).extend(
                FaceTile(item["sample_id"], f"data:image/jpeg;base64,{item['jpeg']}")
                for item in pictures
            )
    return [
        FaceGrid(reason, tiles, f"{len(tiles):,} shown") for reason, tiles in sorted(found.items())
    ]


def _sheet(faces: pd.DataFrame, mask: pd.Series, kind: str, key: str, limit: int) -> Sheet:
    return Sheet(kind, key, int(mask.sum()), _drawn(faces[mask], limit))


def _drawn(pool: pd.DataFrame, limit: int) -> tuple[int, ...]:
    """At most `limit` rows, by turns one of each source and split."""
    queue = pool.sort_values(["draw", "sample_id"])
    queue = queue.assign(turn=queue.groupby(["source", "split"], observed=True).cumcount())
    first = queue.sort_values(["turn", "draw", "sample_id"]).head(limit)
    return tuple(first.sort_values(["source", "split", "draw", "sample_id"]).index.tolist())
