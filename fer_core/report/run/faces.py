"""Grids of faces of a pack, each with words under it."""

from collections.abc import Sequence
from dataclasses import dataclass

from fer_core.base.errors import ArtifactError
from fer_core.dataset.pack.pack import Pack
from fer_core.report.datasheet.contact_sheets import picture_address
from fer_core.report.shared.markup import Markup, tag

__all__ = ["Face", "check_rows", "face_grid"]


@dataclass(frozen=True)
class Face:
    """A row of the pack and the words under its picture."""

    row: int
    words: str


def face_grid(title: str, faces: Sequence[Face], pack: Pack, narrow: bool = False) -> Markup:
    """Faces under their title, six in a line where narrow, else eight."""
    pixels = (pack.rows.frame["width"] * pack.rows.frame["height"]).to_numpy()
    tiles = []
    for face in faces:
        name = pack.rows.sample_ids[face.row]
        address = picture_address(pack.image(face.row), name, int(pixels[face.row]))
        picture = tag(
            "span", tag("img", src=address, alt=name), class_="face", tabindex="-1", data_name=name
        )
        tiles.append(tag("div", picture, tag("small", face.words)))
    return tag(
        "figure",
        tag("figcaption", tag("b", title)),
        tag("div", *tiles, class_="faces few" if narrow else "faces"),
        class_="sheet",
    )


def check_rows(pack: Pack, rows_sha256: str) -> None:
    """Refuse a pack of other rows than the numbers.

    Raises:
        ArtifactError: it is.
    """
    if pack.rows.sha256 != rows_sha256:
        raise ArtifactError(
            "These faces are of another run than the numbers.",
            where="data/pack",
            found=pack.rows.sha256,
            expected=rows_sha256,
        )
