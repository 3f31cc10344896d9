"""What the numbers come from: teachers and their soft labels, and the data."""

from fer_core.base.labels import CLASSES
from fer_core.report.run.inputs import ReportInputs
from fer_core.report.run.results import number
from fer_core.report.shared.markup import Markup, section, table, tag

__all__ = ["data", "teachers"]

_KNOWN = ("train", "train_views", "calib")
_SPLITS = ("train", "val", "calib", "test")


def teachers(inputs: ReportInputs) -> Markup:
    """How the ensemble is made, and what its soft labels are like."""
    ensemble = inputs.ensemble
    weightings = (
        ("chosen", ensemble.chosen),
        ("best single", ensemble.best_single),
        ("uniform", ensemble.uniform),
    )
    rows = [
        [
            name,
            how.space,
            *(f"{how.weights[tag_]:.3g}" for tag_ in ensemble.teachers),
            f"{how.temperature:.4g}",
            number(how.calib["nll"]),
            number(how.calib["macro_f1"]),
        ]
        for name, how in weightings
    ]
    rows.append(
        [
            "own temperature",
            "",
            *(f"{ensemble.temperatures[tag_]:.4g}" for tag_ in ensemble.teachers),
            "",
            "",
            "",
        ]
    )
    head = [
        "weighting",
        "space",
        *ensemble.teachers,
        "fused temperature",
        "calib NLL",
        "calib macro-F1",
    ]
    splits = inputs.targets["splits"]
    quality = [
        [name, *(number(splits[name][what]) for what in ("macro_f1", "accuracy", "nll", "ece"))]
        for name in ("train", "val", "calib")
    ]
    sharpness = [
        [f"{point['temperature']:g}", number(point["max_probability"]), number(point["entropy"])]
        for point in inputs.targets["sharpness"]
    ]
    known = [
        [
            row["model"],
            *(number(row[part]["nll"]) for part in _KNOWN),
            *(f"{row[part]['accuracy']:.1%}" for part in _KNOWN),
        ]
        for row in inputs.targets["memorisation"]
    ]
    out_of_fold = all(row["folds"] for row in inputs.targets["memorisation"])
    kinds = [
        [
            kind.replace("_", " "),
            *(number(scores[what]) for what in ("macro_f1", "accuracy", "nll", "ece")),
        ]
        for kind, scores in ensemble.cross_validation.items()
    ]
    return section(
        "teachers",
        "Teachers and their soft labels",
        table(
            head,
            rows,
            f"Fusion of calibrated teachers, chosen on calib rows by {ensemble.objective}",
        ),
        table(
            ["weights", "macro-F1", "accuracy", "NLL", "ECE"],
            kinds,
            "Kinds of weights on calib rows that they were not fitted on (cross-validation); soft "
            "labels come from the global ones",
        )
        if kinds
        else None,
        table(
            ["rows", "macro-F1", "accuracy", "NLL", "ECE"],
            quality,
            "The ensemble on the rows it taught on and on those it did not",
        ),
        table(
            ["temperature", "mean greatest probability", "mean entropy (nats)"],
            sharpness,
            "Sharpness of the soft labels; seven equal probabilities have 1.946 nats",
        ),
        table(
            [
                "model",
                *(
                    f"{what} {rows}"
                    for what in ("NLL", "accuracy")
                    for rows in ("train", "train views", "calib")
                ),
            ],
            known,
            "What teachers know by heart: train rows, the stored views of them, and calib rows "
            "that they never saw"
            + (
                "; each train row was run through the teacher of its fold, which never saw it "
                "either"
                if out_of_fold
                else ""
            ),
        ),
        _two_stages(inputs),
    )


def _two_stages(inputs: ReportInputs) -> Markup | None:
    """Stage A and stage B of the teachers that went through both, on the same val rows."""
    rows = []
    for tag_ in inputs.selection.teachers:
        if (stages := inputs.models[tag_].stages) is not None:
            for stage in ("a", "b"):
                scores = [number(stages[stage][what]) for what in ("macro_f1", "accuracy", "nll")]
                rows.append(
                    [
                        f"{tag_}, stage {stage.upper()}",
                        stages[stage]["size"],
                        *scores,
                        stages["right_only_in"][stage],
                    ]
                )
    head = ["teacher", "pixels", "macro-F1", "accuracy", "NLL", "faces only it gets right"]
    return (
        table(
            head,
            rows,
            "Both stages of a teacher on the same val rows, which also chose their epochs: no test "
            "result",
        )
        if rows
        else None
    )


def data(inputs: ReportInputs) -> Markup:
    """What was kept, what was left out and why, and the duplicates."""
    report = inputs.validation
    counts = report["counts"]["by_source_split_label"]
    by_class = []
    for split in _SPLITS:
        cells = [
            sum(of_source.get(split, {}).get(label, 0) for of_source in counts.values())
            for label in CLASSES
        ]
        by_class.append([split, *(f"{n:,}" for n in cells), f"{report['rows_by_split'][split]:,}"])
    by_source = []
    dropped = report["dropped"]["by_source_reason"]
    for source in sorted(set(counts) | set(dropped) | set(report["exclusions"])):
        cells = [sum(counts.get(source, {}).get(split, {}).values()) for split in _SPLITS]
        gone = [
            sum(dropped.get(source, {}).values()),
            sum(report["exclusions"].get(source, {}).values()),
        ]
        by_source.append([source, *(f"{n:,}" for n in cells + gone)])
    reasons = [
        ["dropped: " + name.replace("_", " "), f"{n:,}"]
        for name, n in sorted(report["dropped"]["by_reason"].items())
    ]
    excluded: dict[str, int] = {}
    for of_source in report["exclusions"].values():
        for name, n in of_source.items():
            excluded[name] = excluded.get(name, 0) + n
    reasons += [["excluded: " + name, f"{n:,}"] for name, n in sorted(excluded.items())]
    exact, near = report["twins"]["exact"], report["twins"]["exact_and_near"]
    twins = (
        f"Among the usable faces there are {exact['groups']:,} groups of identical faces "
        f"({exact['extra_copies']:,} copies beyond the first, "
        f"{exact['contradictory_groups']:,} groups with contradictory labels); near duplicates "
        "included, "
        f"{near['groups']:,} groups ({near['extra_copies']:,} copies, "
        f"{near['contradictory_groups']:,} contradictory)."
    )
    return section(
        "data",
        "Data",
        table(["split", *CLASSES, "faces"], by_class, "Kept faces by class"),
        table(
            ["source", *_SPLITS, "dropped", "excluded"],
            by_source,
            "Kept faces by source, and those left out",
        ),
        table(["why", "faces"], reasons, "Left out") if reasons else None,
        tag("p", twins),
        tag(
            "p",
            "Heat maps, twins side by side and sheets of every class stand in the ",
            tag("a", "data sheet", href="../datasheet/index.html"),
            ".",
            class_="note",
        ),
        table(
            ["set", "faces"], [[name, f"{n:,}"] for name, n in report["sets"].items()], "Named sets"
        ),
    )
