"""The rows behind the charts that say how far to trust the deployed student."""

from typing import Any

from markupsafe import Markup

from fer_core.base.paths import NONE_LEFT_OUT
from fer_core.report.charts.render import Chart, draw

__all__ = [
    "corruption_charts",
    "corruption_matrix",
    "matrix_chart",
    "risk_chart",
    "subgroup_chart",
    "votes_chart",
]

_SMALL = 230
_LEVEL = {"x_angle": 0, "x_align": "center", "x_baseline": "bottom"}
_UPRIGHT = {"x_angle": -90, "x_align": "left", "x_baseline": "middle"}
_MEASURES = {"accuracy": "accuracy", "ece": "calibration error"}
_BELOW, _ABOVE, _NOT_SHOWN = "below the others", "above the others", "no difference shown"
_VOTES = (
    ("accuracy", "student, by label", "student"),
    ("annotator", "one more annotator", "ceiling"),
    ("soft_accuracy", "student, votes", "student"),
    ("soft_accuracy_most", "most votes", "ceiling"),
)


def corruption_charts(found: dict[str, Any]) -> list[tuple[str, Markup]]:
    """For each corruption a small chart of accuracy and calibration error over its strength;
    strength 0 is the face as it is.
    """
    charts = []
    for place, (name, strengths) in enumerate(found["corruptions"].items()):
        cells = {"0": found["clean"], **strengths}
        rows = [
            {"strength": int(strength), "kind": kind, **values[measure]}
            for measure, kind in _MEASURES.items()
            for strength, values in cells.items()
            if measure in values
        ]
        title = f"Accuracy and calibration error under {name.replace('_', ' ')}"
        charts.append((name, _bands(rows, title, "strength", key=place == 0)))
    return charts


def corruption_matrix(found: dict[str, Any], metric: str, title: str) -> Chart:
    """A metric of every corruption at every strength in one picture; strength 0 is the face as it
    is.
    """
    rows = []
    for name, strengths in found["corruptions"].items():
        for strength, values in {"0": found["clean"], **strengths}.items():
            if metric in values:
                value = values[metric]["value"]
                label = f"{value:.2f}".removeprefix("0")
                place = {"row": name.replace("_", " "), "column": strength, "framed": False}
                rows.append({**place, "value": value, "label": label, "below": ""})
    return Chart("matrix", rows, title, _LEVEL | {"x_label": "strength", "y_label": "corruption"})


def risk_chart(found: dict[str, Any]) -> Chart:
    """Share of wrong answers over the share of faces that get one."""
    rows = [{**point, "value": point["risk"], "kind": "wrong"} for point in found["curve"]]
    top = min(1.0, 1.05 * max(point["high"] for point in found["curve"]))
    title = "Share of wrong answers over the share of faces that are answered"
    fills: dict[str, Any] = {
        "x": "coverage",
        "x_label": "share of faces answered",
        "x_step": 0.2,
        "key": None,
    }
    fills |= {"kinds": ["wrong"], "y_domain": [0, top], "points": False}
    return Chart("bands", rows, title, fills)


def subgroup_chart(found: dict[str, Any]) -> Chart | None:
    """Accuracy of each subgroup with its interval; None where none has numbers."""
    rows = []
    for attribute, parts in found["attributes"].items():
        for name, group in parts["groups"].items():
            kind = _NOT_SHOWN
            if group.get("shown"):
                kind = _BELOW if group["difference"]["value"] < 0 else _ABOVE
            label = f"{group['accuracy']['value']:.3f} of {group['n']:,}"
            rows.append(
                {"name": f"{attribute}: {name}", "kind": kind, "label": label, **group["accuracy"]}
            )
    if not rows:
        return None
    return _intervals(rows, "Accuracy of each subgroup", [_BELOW, _ABOVE, _NOT_SHOWN], "accuracy")


def votes_chart(found: dict[str, Any]) -> Chart:
    """The student beside the ceilings that annotators leave."""
    rows = [
        {"name": name, "kind": kind, "label": f"{found[key]['value']:.3f}", **found[key]}
        for key, name, kind in _VOTES
        if "value" in found[key]
    ]
    return _intervals(rows, "The student beside annotators", ["student", "ceiling"], "share")


def matrix_chart(found: dict[str, Any], metric: str, title: str) -> Chart:
    """What each training without a data set makes of the test rows of each; framed where it is the
    one left out. Below a value stands its difference to the training that left none out, where the
    interval of that leaves out 0.
    """
    rows = []
    for left_out, cells in found["cells"].items():
        for tested, cell in cells.items():
            if metric not in cell:
                continue
            apart = cell.get("difference", {}).get(metric)
            shown = apart is not None and (apart["low"] > 0 or apart["high"] < 0)
            rows.append(
                {
                    "row": "nothing" if left_out == NONE_LEFT_OUT else left_out,
                    "column": tested,
                    "value": cell[metric]["value"],
                    "label": f"{cell[metric]['value']:.2f}".removeprefix("0"),
                    "below": f"{apart['value']:+.2f}".replace("0.", ".") if shown else "",
                    "framed": left_out == tested,
                }
            )
    return Chart("matrix", rows, title, _UPRIGHT | {"x_label": "tested on", "y_label": "left out"})


def _bands(rows: list[dict[str, Any]], title: str, x: str, key: bool) -> Markup:
    legend = {"orient": "top"} if key else None
    fills = {"x": x, "x_label": x, "x_step": 1, "y_domain": [0, 1], "points": {"size": 14}}
    return draw(
        "bands",
        rows,
        title,
        _SMALL,
        plot_height=110,
        kinds=[*_MEASURES.values()],
        key=legend,
        **fills,
    )


def _intervals(rows: list[dict[str, Any]], title: str, kinds: list[str], label: str) -> Chart:
    fills = {"kinds": kinds, "x_label": label, "reference": [], "from_zero": False}
    return Chart("intervals", rows, title, fills)
