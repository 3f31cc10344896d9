"""How published data sets came to be, as their papers say: collection and labelling, by layout.

A folder or table of a user's own says nothing of it; the data sheet then asks for it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Origin", "origin_of"]

_DRAWN = "drawn by the embedded renderer: nobody's face, no photo"
_OWN = "not known here: whose pictures, where from and with which consent"


class Origin(NamedTuple):
    """Where a data set's pictures and labels come from."""

    collection: str
    labelling: str
    reference: str


_FER2013 = "web search for words of feelings, faces found and cut to 48 x 48 grey by program"
_AFFECTNET = Origin(
    "three search engines, 1,250 words of feelings in six languages",
    "about half by hand, one of twelve annotators a picture",
    "Mollahosseini, Hasani & Mahoor, IEEE TAC 2017",
)
_RAF = Origin(
    "social networks and Flickr",
    "about 40 annotators a picture, fused by an EM algorithm",
    "Li, Deng & Du, CVPR 2017",
)
_PUBLISHED = {
    "fer2013": Origin(
        _FER2013, "the search word, checked by people", "Goodfellow et al., ICONIP 2013"
    ),
    "ferplus": Origin(
        f"the pictures of FER2013: {_FER2013}",
        "ten people a picture; the votes are kept",
        "Barsoum et al., ICMI 2016",
    ),
    "rafdb_basic": _RAF,
    "rafdb_compound": _RAF,
    "rafml": _RAF._replace(reference="Li & Deng, IJCV 2019"),
    "affectnet": _AFFECTNET,
    "affectnet_npy": _AFFECTNET,
    "affectnet_yolo": _AFFECTNET,
    "expw": Origin(
        "web search for words of feelings with names of occupations",
        "by hand, one label a face, with the detector's confidence",
        "Zhang, Luo, Loy & Tang, IJCV 2018",
    ),
    "webcam_session": Origin(
        "camera sessions of `fer live --record`", "by the person in front of the camera", "–"
    ),
}
_PUBLISHED["ferplus_pictures"] = _PUBLISHED["ferplus"]


def origin_of(descriptor: Mapping[str, Any]) -> tuple[Origin, str]:
    """Where a data set comes from, and its terms of use.

    Args:
        descriptor: the values of `data/sources/<name>.json`.
    """
    known = _PUBLISHED.get(descriptor["layout"], Origin(_OWN, "not known here: by whom", "–"))
    if "sample" in descriptor:
        known = Origin(_DRAWN, "the expression that was drawn; some wrong on purpose", "–")
    return known, descriptor.get("licence") or "not stated"
