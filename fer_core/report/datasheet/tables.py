"""The data sheet's tables and histograms: who stays, who left and why, how large the images are,
and the twins in numbers.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fer_core.base.labels import CLASSES
from fer_core.dataset.pack.rows import SPLITS
from fer_core.dataset.store.store import FaceStore
from fer_core.report.shared.charts import histogram
from fer_core.report.shared.markup import Markup, heat_cell, join, section, table, tag

__all__ = ["REASON_WORDS", "facts", "kept", "left_out", "sizes", "twin_tables"]

_NAMES = 50

REASON_WORDS = {
    "unlabelled": "the source gives no label",
    "no_split": "the source puts it in none of train, val and test",
    "eval_only": "a train or val row of a source of which only test rows are used",
    "non_face": "a blank frame, text or a sign, outside test",
    "twin_in_test": "the same picture is in test",
    "group_in_test": "a face of the same photo or person is in test",
    "twin_in_val": "the same picture is in val",
    "group_in_val": "a face of the same photo or person is in val",
    "contradictory_twins": "the same picture has another label in the same source",
    "duplicate_in_train": "the same picture is among the train rows already, from which the other "
    "splits may be carved later",
}


def facts(counts: Mapping[str, Any]) -> Markup:
    """The data in a few numbers."""
    faces, twins = counts["faces"], counts["twins"]
    medians = [size["median"] for size in counts["sizes"]["sources"].values()]
    left = sum(pairs["faces"] for pairs in twins["dropped"].values())
    flagged = [found for flags in counts["flagged"].values() for found in flags.values()]
    entries = [
        ("Kept", faces["kept"], "faces with a final split"),
        ("Dropped", faces["dropped"], f"of them {left:,} because of another face"),
        ("Excluded", faces["excluded"], "entries that give no face"),
        (
            "Without a face",
            sum(found["kept"] + found["dropped"] for found in flagged),
            f"of them {sum(found['kept'] for found in flagged):,} kept",
        ),
        ("Data sets", len(counts["kept"]), f"{len(CLASSES)} classes"),
        ("Shorter side", _range(medians), "pixels, medians of the data sets"),
    ]
    return tag(
        "dl",
        *(
            tag("div", tag("dt", what), tag("dd", _shown(value), tag("small", more)))
            for what, value, more in entries
        ),
        class_="facts",
    )


def kept(counts: Mapping[str, Any]) -> Markup:
    """Kept rows by class, source and split, then by class and split; the shade is the class's share
    of the row.
    """
    together = {
        split: {
            name: sum(splits[split][name] for splits in counts["kept"].values()) for name in CLASSES
        }
        for split in SPLITS
    }
    most = max(
        (
            max(found.values()) / sum(found.values())
            for found in together.values()
            if any(found.values())
        ),
        default=1.0,
    )

    def line(name: object, found: Mapping[str, int]) -> list[object]:
        total = sum(found.values())
        return [name, *_heat_cells(found.values(), total * most), f"{total:,}"]

    by_source = [
        line(join([source, tag("span", f" {split}", class_="note")]), found)
        for source, splits in counts["kept"].items()
        for split, found in splits.items()
        if any(found.values())
    ]
    caption = "the stronger the shade, the greater the class's share of its row"
    head = [*CLASSES, "all"]
    return section(
        "kept",
        "Kept faces",
        table(
            ["split", *head],
            [line(split, found) for split, found in together.items()],
            f"All data sets: {caption}",
        ),
        tag(
            "div",
            table(["data set, split", *head], by_source, "Each data set and split that has any"),
            class_="by-source",
        ),
    )


def left_out(counts: Mapping[str, Any], stores: Mapping[str, FaceStore]) -> Markup:
    """Dropped rows by reason, what each reason means, and excluded entries by reason and by
    name.
    """
    reasons = list(next(iter(counts["dropped"].values()), {}))
    dropped = []
    for source, found in counts["dropped"].items():
        gone = sum(found.values())
        rows = gone + sum(sum(of_split.values()) for of_split in counts["kept"][source].values())
        dropped.append([source, *_heat_cells(found.values(), rows), f"{gone:,}", f"{rows:,}"])
    words = [
        tag("li", tag("b", in_words(reason)), f": {REASON_WORDS[reason]}.") for reason in reasons
    ]
    flagged = [
        [source, flag, f"{found['kept']:,}", f"{found['dropped']:,}"]
        for source, flags in counts["flagged"].items()
        for flag, found in flags.items()
    ]
    excluded = [
        [source, reason, f"{n:,}"]
        for source, found in counts["excluded"].items()
        for reason, n in found.items()
    ]
    caption = "Dropped faces: the stronger the shade, the greater the share of the data set's faces"
    return section(
        "left-out",
        "Left out, and why",
        table(["data set", *map(in_words, reasons), "dropped", "of faces"], dropped, caption),
        tag("ul", *words, class_="words") if words else None,
        table(["data set", "flag", "kept", "dropped"], flagged, "Frames that show no face")
        if flagged
        else None,
        table(
            ["data set", "reason", "entries"],
            excluded,
            "Excluded entries of the label files: they give no face",
        )
        if excluded
        else None,
        *(_names(reason, found) for reason, found in sorted(_excluded(stores).items())),
    )


def sizes(counts: Mapping[str, Any]) -> Markup:
    """A histogram of the shorter side for each source, all over the same bins, and the extremes."""
    edges, sources = counts["sizes"]["edges"], counts["sizes"]["sources"]
    charts = []
    for source, found in sources.items():
        title = f"{source}: shorter side of kept faces"
        charts.append(
            tag(
                "figure", histogram(edges, found["bins"], title, "pixels"), tag("figcaption", title)
            )
        )
    rows = [
        [source, f"{found['smallest']:,}", f"{found['median']:,g}", f"{found['greatest']:,}"]
        for source, found in sources.items()
    ]
    return section(
        "sizes",
        "Image sizes",
        tag("div", *charts, class_="charts"),
        table(
            ["data set", "smallest", "median", "greatest"],
            rows,
            "Shorter side of kept faces, in pixels",
        ),
    )


def twin_tables(counts: Mapping[str, Any]) -> Markup:
    """Rows that name another row: by reason, and from which source to which."""
    twins = counts["twins"]
    rows = [[in_words(reason), *_pair_cells(found)] for reason, found in twins["dropped"].items()]
    rows += [
        [f"stays in {split} beside an earlier twin", *_pair_cells(found)]
        for split, found in twins["kept"].items()
    ]
    if not rows:
        return tag("p", "No face is there twice.")
    named = [
        source
        for source in counts["kept"]
        if any(found[source] for found in twins["because_of"].values())
    ]
    crossed = [
        [source, *_heat_cells([found[name] for name in named], sum(found.values()))]
        for source, found in twins["because_of"].items()
    ]
    return join(
        [
            table(
                ["what happens", "faces", "of another class", "of another data set"],
                rows,
                "Faces that left because of another one, or stay beside an earlier twin",
            ),
            table(
                ["dropped from \\ because of", *named],
                crossed,
                "In which data set the face stands because of which one left",
            )
            if crossed
            else None,
        ]
    )


def in_words(key: str) -> str:
    """A reason as words."""
    return key.replace("_", " ")


def _heat_cells(values: Iterable[int], full: float) -> list[Markup]:
    """Cells whose shade is full at that number and beyond it."""
    return [heat_cell(f"{n:,}", min(1, n / full) if full else 0) for n in values]


def _pair_cells(found: Mapping[str, int]) -> list[str]:
    return [f"{found[name]:,}" for name in ("faces", "other_class", "other_source")]


def _excluded(stores: Mapping[str, FaceStore]) -> dict[str, list[tuple[str, str]]]:
    """Name and detail of every excluded entry, by reason."""
    found: dict[str, list[tuple[str, str]]] = {}
    for store in stores.values():
        for item in store.meta["exclusions"]:
            found.setdefault(item["reason"], []).append((item["sample_id"], item["detail"]))
    return found


def _names(reason: str, found: list[tuple[str, str]]) -> Markup:
    shown = (
        f"the first {_NAMES} of {len(found):,}" if len(found) > _NAMES else f"all {len(found):,}"
    )
    entries = [
        tag("li", name, tag("span", f" {detail}", class_="note")) for name, detail in found[:_NAMES]
    ]
    return tag(
        "details", tag("summary", f"{reason}: {shown} by name"), tag("ul", *entries, class_="names")
    )


def _range(values: list[float]) -> str:
    if not values:
        return "–"
    low, high = f"{min(values):g}", f"{max(values):g}"
    return low if low == high else f"{low} to {high}"


def _shown(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value
