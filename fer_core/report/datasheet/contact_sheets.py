"""Contact sheets: which faces are shown, their thumbnails, and the grids and pairs they stand in.

Faces are drawn by a hash of seed and name, never by the order of rows: one more data set changes
only who it displaces. A sheet takes as many from each source and split as they have, up to an equal
share, so that a small data set is seen beside a great one.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from tqdm import tqdm

from fer_core.base.labels import CLASSES
from fer_core.base.logs import progress_off
from fer_core.dataset.assembly.leakage import REASONS
from fer_core.dataset.store.store import FaceStore
from fer_core.pixels.parallel import ordered_map
from fer_core.pixels.thumbnails import thumbnail_jpeg
from fer_core.report.datasheet.faces import DROPPED
from fer_core.report.shared.markup import Markup, tag

__all__ = [
    "Sheet",
    "class_sheets",
    "excluded_figures",
    "left_out_sheets",
    "pair_figure",
    "picture_address",
    "sheet_figure",
    "shown_of",
    "thumbnails",
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


def picture_address(image: bytes, sample_id: str, pixels: int) -> str:
    """The `data:` address of a thumbnail; arguments as `thumbnail_jpeg` takes them."""
    return (
        "data:image/jpeg;base64,"
        + base64.b64encode(thumbnail_jpeg(image, sample_id, pixels)).decode()
    )


def sheet_figure(
    sheet: Sheet, title: str, faces: pd.DataFrame, pictures: Mapping[int, str]
) -> Markup:
    """A grid of faces under its title."""
    grid = tag("div", *(_tile(faces, row, pictures) for row in sheet.rows), class_="faces")
    return tag(
        "figure", tag("figcaption", tag("b", title), f" {shown_of(sheet)}"), grid, class_="sheet"
    )


def pair_figure(row: int, faces: pd.DataFrame, pictures: Mapping[int, str]) -> Markup:
    """A face beside the one that it names: the class of each, classes that differ standing out, and
    where each is from and stands.
    """
    both = [row, int(faces["twin"].to_numpy()[row])]
    pair = faces.iloc[both]
    style = "differs" if pair["class"].nunique() > 1 else None
    sides = [
        tag("div", _tile(faces, index, pictures), tag("b", name, class_=style))
        for index, name in zip(both, pair["class"], strict=True)
    ]
    (source, split, usage), (other, other_split, _) = pair[["source", "split", "usage"]].to_numpy()
    dropped = split == DROPPED
    lines = [
        f"dropped from {source}" + (f" ({usage})" if usage else "")
        if dropped
        else f"in {split} of {source}"
    ]
    lines.append(
        f"{'because of' if dropped else 'as in'} {other}, "
        + ("dropped too" if other_split == DROPPED else f"in {other_split}")
    )
    return tag("figure", *sides, tag("figcaption", lines[0], tag("br"), lines[1]), class_="pair")


def excluded_figures(stores: Mapping[str, FaceStore]) -> list[Markup]:
    """For every reason for an exclusion a grid of what was left out, from the first entries of each
    data set.
    """
    found: dict[str, list[Markup]] = {}
    for store in stores.values():
        for reason, pictures in store.meta.get("excluded_pictures", {}).items():
            tiles = (
                _named_tile(item["sample_id"], f"data:image/jpeg;base64,{item['jpeg']}")
                for item in pictures
            )
            found.setdefault(reason, []).extend(tiles)
    return [
        tag(
            "figure",
            tag("figcaption", tag("b", reason), f" {len(tiles):,} shown"),
            tag("div", *tiles, class_="faces"),
            class_="sheet",
        )
        for reason, tiles in sorted(found.items())
    ]


def shown_of(sheet: Sheet) -> str:
    """How many of how many are shown."""
    return (
        f"{len(sheet.rows):,} of {sheet.total:,}"
        if len(sheet.rows) < sheet.total
        else f"all {sheet.total:,}"
    )


def _sheet(faces: pd.DataFrame, mask: pd.Series, kind: str, key: str, limit: int) -> Sheet:
    return Sheet(kind, key, int(mask.sum()), _drawn(faces[mask], limit))


def _drawn(pool: pd.DataFrame, limit: int) -> tuple[int, ...]:
    """At most `limit` rows, by turns one of each source and split."""
    queue = pool.sort_values(["draw", "sample_id"])
    queue = queue.assign(turn=queue.groupby(["source", "split"], observed=True).cumcount())
    first = queue.sort_values(["turn", "draw", "sample_id"]).head(limit)
    return tuple(first.sort_values(["source", "split", "draw", "sample_id"]).index.tolist())


def _tile(faces: pd.DataFrame, row: int, pictures: Mapping[int, str]) -> Markup:
    """A face whose name appears at the foot of the window when it is pointed at or touched."""
    return _named_tile(str(faces["sample_id"].iat[row]), pictures[row])


def _named_tile(name: str, address: str) -> Markup:
    return tag(
        "span", tag("img", src=address, alt=name), class_="face", tabindex="-1", data_name=name
    )
