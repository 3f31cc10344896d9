"""The rules of a live session as one value: `live.yaml`, `thresholds.json` of a session and the
page's settings are this.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from fer_core.base.errors import ParamsError
from fer_core.base.labels import CLASSES
from fer_core.pixels.framing import MARGIN

__all__ = ["Detect", "Score", "Smooth", "Specification", "Track"]

_MODES = ("time", "original")


def _number(low: float, high: float) -> dict[str, Any]:
    return {"fits": lambda value: _is_number(value) and low <= value <= high, "is": (low, high)}


def _whole(low: int, high: int) -> dict[str, Any]:
    return {"fits": lambda value: type(value) is int and low <= value <= high, "is": (low, high)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Detect:
    """How faces are looked for.

    Attributes:
        longest_side: pixels of the longer side of the copy that is searched; smaller pictures are
            searched as they are.
        every: of how many frames one is searched; 0 follows `budget_ms`.
        budget_ms: milliseconds a frame may take on average where `every` is 0.
        score: least confidence of a face.
        overlap: boxes that share more (intersection over union) are one face.
        margin: added to each side of a face, as a share of the longer side of its box.
        most_faces: largest faces of a frame that are analysed.
    """

    longest_side: int = field(default=320, metadata=_whole(64, 4096))
    every: int = field(default=0, metadata=_whole(0, 1000))
    budget_ms: float = field(default=33.0, metadata=_number(1, 10_000))
    score: float = field(default=0.7, metadata=_number(0.01, 0.99))
    overlap: float = field(default=0.3, metadata=_number(0, 1))
    margin: float = field(default=MARGIN, metadata=_number(-0.4, 1))
    most_faces: int = field(default=8, metadata=_whole(1, 100))


@dataclass(frozen=True)
class Track:
    """Which boxes of one frame and the next are one person.

    Attributes:
        iou: least intersection over union with the box before.
        distance: else the greatest distance of the centres, in longer sides of the larger box.
        size: and the least ratio of the smaller to the larger of the boxes' longer sides.
        keep_s: seconds for which a face that is not found keeps its number.
    """

    iou: float = field(default=0.3, metadata=_number(0.01, 1))
    distance: float = field(default=0.6, metadata=_number(0, 10))
    size: float = field(default=0.5, metadata=_number(0, 1))
    keep_s: float = field(default=0.5, metadata=_number(0, 60))


@dataclass(frozen=True)
class Smooth:
    """How the answers of one face become a label that people can read.

    Attributes:
        mode: "time" or "original".
        tau_s: seconds after which a new answer has 63 % of the weight; 0 takes each frame alone.
        floor: least probability of a class in one frame, so that no frame outweighs all others.
        enter: probability at which a label is given.
        enter_of: the same for single classes.
        leave: probability below which a label is taken back.
        hold_s: seconds for which a label stays at least.
        alpha: of mode "original": weight of the old value.
        delta: of mode "original": lead that a new class needs.
        window: of mode "original": frames that vote.
        minimum: of mode "original": votes that a label needs.
    """

    mode: str = field(
        default="time", metadata={"fits": lambda value: value in _MODES, "is": "time or original"}
    )
    tau_s: float = field(default=0.15, metadata=_number(0, 10))
    floor: float = field(default=0.001, metadata=_number(1e-6, 0.1))
    enter: float = field(default=0.4, metadata=_number(0, 1))
    enter_of: dict[str, float] = field(
        default_factory=dict,
        metadata={
            "fits": lambda value: (
                isinstance(value, dict)
                and set(value) <= set(CLASSES)
                and all(_is_number(one) and 0 <= one <= 1 for one in value.values())
            ),
            "is": "class names with numbers of 0 to 1",
        },
    )
    leave: float = field(default=0.25, metadata=_number(0, 1))
    hold_s: float = field(default=0.2, metadata=_number(0, 10))
    alpha: float = field(default=0.70, metadata=_number(0, 0.99))
    delta: float = field(default=0.08, metadata=_number(0, 0.5))
    window: int = field(default=15, metadata=_whole(1, 101))
    minimum: int = field(default=8, metadata=_whole(1, 101))

    def entering(self) -> list[float]:
        """The probability at which each class is given, in class order."""
        return [self.enter_of.get(name, self.enter) for name in CLASSES]


@dataclass(frozen=True)
class Score:
    """Which labelled frames of a session are scored.

    Attributes:
        min_segment_s: shorter labelled segments are left out.
        exclusion_s: frames nearer than this to an edge of their segment are left out.
        bins: confidence bins of ece.
        resamples: of the bootstrap over segments; 0 gives no intervals.
    """

    min_segment_s: float = field(default=0.6, metadata=_number(0, 60))
    exclusion_s: float = field(default=0.25, metadata=_number(0, 30))
    bins: int = field(default=15, metadata=_whole(2, 100))
    resamples: int = field(default=1000, metadata=_whole(0, 100_000))


@dataclass(frozen=True)
class Specification:
    """All rules of a session; see the four parts.

    Raises:
        ParamsError: a value is out of range or does not fit another; names it.
    """

    detect: Detect = field(default_factory=Detect)
    track: Track = field(default_factory=Track)
    smooth: Smooth = field(default_factory=Smooth)
    score: Score = field(default_factory=Score)

    def __post_init__(self) -> None:
        for part in fields(self):
            for item in fields(value := getattr(self, part.name)):
                found = getattr(value, item.name)
                if not item.metadata["fits"](found):
                    raise _out_of_range(f"{part.name}.{item.name}", found, item.metadata["is"])
        smooth = self.smooth
        if smooth.minimum > smooth.window:
            raise _out_of_range(
                "smooth.minimum",
                smooth.minimum,
                f"at most the {smooth.window} frames of smooth.window",
            )
        if smooth.leave > min(smooth.entering()):
            raise _out_of_range("smooth.leave", smooth.leave, "at most smooth.enter")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object, where: object = "live.yaml") -> "Specification":
        """The inverse of `to_dict`; what is not given keeps its default.

        Raises:
            ParamsError: no mapping of mappings, an unknown key, or a value out of range.
        """
        return cls().changed({} if values is None else values, where)

    def changed(self, values: object, where: object = "settings") -> "Specification":
        """The same rules with other values for some: {"smooth": {"tau_s": 0.2}}.

        Raises:
            ParamsError: as `from_dict`.
        """
        return _each(
            self,
            values,
            where,
            lambda name, part: _each(getattr(self, name), part, f"{where}: {name}", lambda _, v: v),
        )


def _each(value: Any, given: object, where: object, change: Callable[[str, Any], Any]) -> Any:
    """A dataclass with the given fields replaced."""
    names = [item.name for item in fields(value)]
    if not isinstance(given, Mapping) or not set(given) <= set(names):
        found = (
            ", ".join(map(str, given))
            if isinstance(given, Mapping)
            else json.dumps(given, default=str)
        )
        raise ParamsError(
            "These are no rules of a live session.",
            where=where,
            found=found,
            expected=f"some of {', '.join(names)}",
            remedy="docs/live.md lists them",
        )
    return replace(value, **{name: change(name, one) for name, one in given.items()})


def _out_of_range(where: str, found: object, expected: object) -> ParamsError:
    if isinstance(expected, tuple):
        expected = f"{expected[0]} to {expected[1]}"
    return ParamsError(
        "A value is out of range.",
        where=where,
        found=found,
        expected=expected,
        remedy="set it to a value within the range",
    )
