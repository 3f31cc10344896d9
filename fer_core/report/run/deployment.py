"""The page on the exported files: how far they are from the network, and how fast they answer."""

import numpy as np
import pandas as pd

from fer_core.report.run.inputs import ReportInputs
from fer_core.report.run.results import kibibytes, number
from fer_core.report.shared.markup import Markup, section, table, tag

__all__ = ["export", "latency"]

_SCOPES = {"model": "network alone", "crop": "from face crops"}
_HEAD = [
    "file",
    "what",
    "batch",
    "threads",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "images/s",
    "of reference",
    "of fp32",
]


def export(inputs: ReportInputs) -> Markup:
    """The exported files and how far they are from the network."""
    rows = []
    for record in inputs.exports:
        figures = inputs.parity["precisions"][record["precision"]]
        rows.append(
            [
                record["file"],
                kibibytes(record["bytes"]),
                f"{figures['maxabsdiff']:.1e}",
                f"{figures['relative']:.1e}",
                f"{figures['max_probability_diff']:.1e}",
                f"{figures['kl']:.1e}",
                f"{100 * figures['agreement']:.2f} %",
                f"{number(figures['macro_f1_reference'])} → {number(figures['macro_f1'])}",
            ]
        )
    head = [
        "file",
        "size",
        "largest logit difference",
        "over logit scale",
        "largest probability difference",
        "mean KL (nats)",
    ]
    caption = (
        f"{inputs.selection.deployed} as ONNX (opset {inputs.exports[0]['opset']}) against the "
        "trained network on all "
        f"{inputs.parity['rows_used']:,} test faces; every file passed its gate"
    )
    refused = [
        tag(
            "p",
            f"The {precision} file is not handed out: {'; '.join(figures['reasons'])}.",
            class_="note",
        )
        for precision, figures in inputs.parity["refused"].items()
    ]
    card = tag(
        "p",
        "What a user of the files should know stands beside them: ",
        tag("a", "MODEL_CARD.md", href="../onnx/MODEL_CARD.md"),
        ".",
        class_="note",
    )
    return section(
        "onnx",
        "Exported files",
        table([*head, "same class", "macro-F1, network → file"], rows, caption),
        *refused,
        card,
    )


def latency(inputs: ReportInputs) -> Markup:
    """What each file took on one machine, beside the reference network; the verdict on int8
    first.
    """
    timed = inputs.latency
    first, least = timed.iloc[0], timed["batch"].min()
    verdicts = [
        tag("p", promotion.reason, class_="warning" if promotion.provisional else None)
        for promotion in inputs.promotions
    ]
    pinned = (
        "each held to as many cores"
        if bool(timed["pinned"].all())
        else "not held to cores, for this system cannot do that"
    )
    words = (
        f"Measured once, on {first['cores']} cores of {first['cpu']} with onnxruntime "
        f"{first['onnxruntime']}; load before it began: "
        f"{first['load_average']:.1f}. Every line is {_span(timed['calls'])} calls in "
        f"{_span(timed['rounds'])} rounds, in which all lines "
        f"take turns, threads {pinned}. The reference is a plain MobileNetV3-Large export of the "
        "same input size in the same process, and "
        "its column divides the p50 of the best round by the reference's; the last column is the "
        "median over rounds of the p50 over the "
        "fp32 file's. Milliseconds are those of a busy moment or a quiet one; the ratios are what "
        "to trust."
    )
    small, large = timed[timed["batch"] == least], timed[timed["batch"] > least]
    more = None
    if len(large):
        sizes = ", ".join(map(str, sorted(large["batch"].unique())))
        caption = "Times of a whole batch, not of one image"
        more = tag(
            "details",
            tag("summary", f"Larger batches: {sizes}"),
            table(_HEAD, _lines(large), caption),
        )
    caption = f"Batches of {least}: milliseconds of a call; from face crops of {first['crop_side']} px, preparation included"
    return section(
        "latency",
        "Latency",
        *verdicts,
        table(_HEAD, _lines(small), caption),
        more,
        tag("p", words, class_="note"),
    )


def _lines(timed: pd.DataFrame) -> list[list[object]]:
    several = timed["provider"].nunique() > 1
    lines: list[list[object]] = []
    for row in timed.sort_values(
        ["scope", "batch", "threads"], ascending=[False, True, True], kind="stable"
    ).to_dict("records"):
        name = "reference" if row["model"] == "reference" else f"{row['model']} {row['precision']}"
        ratios = (
            "–" if np.isnan(row[which]) else f"{row[which]:.2f}"
            for which in ("ratio_to_reference", "ratio_to_fp32")
        )
        times = (f"{row[which]:.2f}" for which in ("p50_ms", "p90_ms", "p99_ms"))
        where = f"{name} on {row['provider']}" if several else name
        lines.append(
            [
                where,
                _SCOPES[row["scope"]],
                row["batch"],
                row["threads"],
                *times,
                f"{row['images_per_s']:,.0f}",
                *ratios,
            ]
        )
    return lines


def _span(counts: "pd.Series[int]") -> str:
    low, high = counts.min(), counts.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
