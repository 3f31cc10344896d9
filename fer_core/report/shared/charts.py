"""The page's charts as inline SVG. Sizes are in CSS pixels at a width of 360, colours are the style
sheet's classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fer_core.report.shared.markup import Markup, tag

__all__ = [
    "Bins",
    "Interval",
    "Line",
    "forest",
    "histogram",
    "line_chart",
    "line_style",
    "reliability_diagram",
    "ticks",
]

_WIDTH, _HEIGHT, _LOW = 360, 230, 160
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 40
_COLOURS, _ROW = 6, 22
_LABELS = 10  # most numbers below a histogram


@dataclass(frozen=True)
class Line:
    """A named line through points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Bins:
    """A named line through bins of confidence: means of confidence and accuracy, and how many rows
    each bin has.
    """

    name: str
    confidence: Sequence[float]
    accuracy: Sequence[float]
    count: Sequence[int]


@dataclass(frozen=True)
class Interval:
    """A named value with its interval."""

    name: str
    style: str
    value: float
    low: float
    high: float


def line_style(place: int) -> str:
    """CSS classes of the n-th line: six colours, then the same ones dashed in another way."""
    return f"s{place % _COLOURS} d{place // _COLOURS % 3}"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers that cover [low, high]: steps of 1, 2 or 5 times a power of
    ten.
    """
    if not high > low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def line_chart(lines: Sequence[Line], title: str, x_name: str, y_name: str) -> Markup:
    """Lines over one x axis; a line of one point is a dot."""
    x_values, y_values = (
        [x for line in lines for x in line.x],
        [y for line in lines for y in line.y],
    )
    across = [
        tick
        for tick in ticks(min(x_values), max(x_values))
        if min(x_values) <= tick <= max(x_values)
    ]
    frame = _Frame((min(x_values), max(x_values)), ticks(min(y_values), max(y_values)))
    drawn = []
    for place, line in enumerate(lines):
        points = [(frame.x(x), frame.y(y)) for x, y in zip(line.x, line.y, strict=True)]
        if len(points) == 1:
            drawn.append(
                tag(
                    "circle",
                    cx=_at(points[0][0]),
                    cy=_at(points[0][1]),
                    r=3,
                    class_=f"dot {line_style(place)}",
                )
            )
        else:
            drawn.append(tag("path", d=_path(points), class_=f"line {line_style(place)}"))
    return _svg(
        title,
        _HEIGHT,
        *frame.axes([tick for tick in across if tick == int(tick)] or across, x_name, y_name),
        *drawn,
    )


def reliability_diagram(lines: Sequence[Bins], title: str) -> Markup:
    """Accuracy over confidence with the diagonal of perfect calibration; the area of a dot follows
    the rows of its bin.
    """
    steps = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    frame = _Frame((0.0, 1.0), steps)
    drawn = [
        tag(
            "path", d=_path([(frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))]), class_="diagonal"
        )
    ]
    most = max((count for line in lines for count in line.count), default=1)
    for place, line in enumerate(lines):
        points = [
            (frame.x(x), frame.y(y)) for x, y in zip(line.confidence, line.accuracy, strict=True)
        ]
        if len(points) > 1:
            drawn.append(tag("path", d=_path(points), class_=f"line {line_style(place)}"))
        for (x, y), count in zip(points, line.count, strict=True):
            words = tag("title", f"{line.name}: {count:,} faces")
            radius = _at(1.2 + 4.8 * math.sqrt(count / most))
            drawn.append(
                tag(
                    "circle",
                    words,
                    cx=_at(x),
                    cy=_at(y),
                    r=radius,
                    class_=f"dot {line_style(place)}",
                )
            )
    return _svg(title, _HEIGHT, *frame.axes(steps, "confidence", "accuracy"), *drawn)


def forest(intervals: Sequence[Interval], title: str, x_name: str) -> Markup:
    """Values with their intervals, one below the other."""
    names = min(150, 14 + max(6.4 * len(interval.name) for interval in intervals))
    steps = ticks(
        min(interval.low for interval in intervals), max(interval.high for interval in intervals)
    )
    height = _TOP + _ROW * len(intervals) + _BOTTOM
    bottom = height - _BOTTOM

    def x_at(value: float) -> float:
        return names + (value - steps[0]) / (steps[-1] - steps[0]) * (_WIDTH - _RIGHT - 8 - names)

    drawn = []
    for step in steps:
        drawn.append(
            tag("path", d=_path([(x_at(step), _TOP), (x_at(step), bottom)]), class_="grid")
        )
        drawn.append(
            tag("text", _short(step), x=_at(x_at(step)), y=bottom + 15, text_anchor="middle")
        )
    drawn.append(
        tag(
            "text",
            x_name,
            x=_at((names + _WIDTH - _RIGHT) / 2),
            y=height - 6,
            text_anchor="middle",
            class_="axis",
        )
    )
    for place, interval in enumerate(intervals):
        y = _TOP + _ROW * (place + 0.5)
        drawn.append(tag("text", interval.name, x=_at(names - 10), y=_at(y + 4), text_anchor="end"))
        drawn.append(
            tag(
                "path",
                d=_path([(x_at(interval.low), y), (x_at(interval.high), y)]),
                class_=f"line {interval.style}",
            )
        )
        drawn.append(
            tag(
                "circle",
                cx=_at(x_at(interval.value)),
                cy=_at(y),
                r=4,
                class_=f"dot {interval.style}",
            )
        )
    return _svg(title, height, *drawn)


def histogram(edges: Sequence[int], counts: Sequence[int], title: str, x_name: str) -> Markup:
    """Bars of equal width over bins of any width.

    Args:
        edges: lower ends of the bins and the first number beyond the last one: whole numbers,
            ascending, one more than counts.
        counts: how many values are in each bin.
        title: for those who do not see it.
        x_name: what is binned.
    """
    frame = _Frame((0, len(counts)), ticks(0, max(counts), 3), _LOW)
    every = math.ceil(len(edges) / _LABELS)
    drawn = frame.axes([], x_name)
    for place, edge in enumerate(edges):
        if place % every == 0:
            drawn.append(
                tag(
                    "text",
                    _short(edge),
                    x=_at(frame.x(place)),
                    y=_LOW - _BOTTOM + 16,
                    text_anchor="middle",
                )
            )
    for place, count in enumerate(counts):
        words = tag("title", f"{edges[place]} to {edges[place + 1] - 1} {x_name}: {count:,}")
        left, top, width = frame.x(place), frame.y(count), frame.x(1) - frame.x(0)
        size = {
            "x": _at(left + 0.5),
            "y": _at(top),
            "width": _at(width - 1),
            "height": _at(frame.y(0) - top),
        }
        drawn.append(tag("rect", words, **size, class_="bar"))
    return _svg(title, _LOW, *drawn)


@dataclass(frozen=True)
class _Frame:
    """Maps values to places in the drawing; the y axis spans its ticks."""

    span: tuple[float, float]
    rungs: Sequence[float]
    height: int = _HEIGHT

    def x(self, value: float) -> float:
        low, high = self.span
        return _LEFT + (value - low) / ((high - low) or 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.rungs[0], self.rungs[-1]
        return self.height - _BOTTOM - (value - low) / (high - low) * (self.height - _TOP - _BOTTOM)

    def axes(self, across: Sequence[float], x_name: str, y_name: str = "") -> list[Markup]:
        """Grid, ticks and names of the axes that have one."""
        left, right, bottom = _LEFT, _WIDTH - _RIGHT, self.height - _BOTTOM
        drawn = []
        for rung in self.rungs:
            drawn.append(
                tag("path", d=_path([(left, self.y(rung)), (right, self.y(rung))]), class_="grid")
            )
            drawn.append(
                tag("text", _short(rung), x=left - 6, y=_at(self.y(rung) + 4), text_anchor="end")
            )
        drawn += [
            tag("text", _short(step), x=_at(self.x(step)), y=bottom + 16, text_anchor="middle")
            for step in across
        ]
        middle = (_TOP + bottom) / 2
        drawn.append(
            tag(
                "text",
                x_name,
                x=_at((left + right) / 2),
                y=self.height - 5,
                text_anchor="middle",
                class_="axis",
            )
        )
        if not y_name:
            return drawn
        turned = f"rotate(-90 11 {_at(middle)})"
        drawn.append(
            tag(
                "text",
                y_name,
                x=11,
                y=_at(middle),
                text_anchor="middle",
                class_="axis",
                transform=turned,
            )
        )
        return drawn


def _svg(title: str, height: float, *children: Markup) -> Markup:
    return tag(
        "svg",
        tag("title", title),
        *children,
        viewBox=f"0 0 {_WIDTH} {_at(height)}",
        role="img",
        aria_label=title,
        class_="chart",
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_at(x)} {_at(y)}" for x, y in points)


def _at(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _short(value: float) -> str:
    return f"{value:.6g}"
