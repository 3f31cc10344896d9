"""The page's end: what the numbers come from. Teachers and targets, data, exported files, hashes and parameters."""

from collections.abc import Mapping
from typing import Any

from fer_core.labels import CLASSES
from fer_core.report.inputs import ReportInputs
from fer_core.report.markup import Markup, section, table, tag
from fer_core.report.results import kibibytes, number

__all__ = ["data", "export", "provenance", "teachers"]

_SURROUNDINGS = ("commit", "python", "system", "processor", "cores", "threads", "processes", "device", "cuda", "cudnn")
_PACKAGES = ("torch", "timm", "numpy", "opencv-python-headless", "onnx", "onnxruntime-gpu", "dvc")
_KNOWN = ("train", "train_views", "calib")
_SPLITS = ("train", "val", "calib", "test")


def teachers(inputs: ReportInputs) -> Markup:
    """How the ensemble is made, and what its soft labels are like."""
    ensemble = inputs.ensemble
    weightings = (("chosen", ensemble.chosen), ("best single", ensemble.best_single), ("uniform", ensemble.uniform))
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
    rows.append(["own temperature", "", *(f"{ensemble.temperatures[tag_]:.4g}" for tag_ in ensemble.teachers), "", "", ""])
    head = ["weighting", "space", *ensemble.teachers, "fused temperature", "calib NLL", "calib macro-F1"]
    splits = inputs.targets["splits"]
    quality = [
        [name, *(number(splits[name][what]) for what in ("macro_f1", "accuracy", "nll", "ece"))] for name in ("train", "val", "calib")
    ]
    sharpness = [
        [f"{point['temperature']:g}", number(point["max_probability"]), number(point["entropy"])] for point in inputs.targets["sharpness"]
    ]
    known = [
        [row["model"], *(number(row[part]["nll"]) for part in _KNOWN), *(f"{row[part]['accuracy']:.1%}" for part in _KNOWN)]
        for row in inputs.targets["memorisation"]
    ]
    out_of_fold = all(row["folds"] for row in inputs.targets["memorisation"])
    kinds = [
        [kind.replace("_", " "), *(number(scores[what]) for what in ("macro_f1", "accuracy", "nll", "ece"))]
        for kind, scores in ensemble.cross_validation.items()
    ]
    return section(
        "teachers",
        "Teachers and their soft labels",
        table(head, rows, f"Fusion of calibrated teachers, chosen on calib rows by {ensemble.objective}"),
        table(
            ["weights", "macro-F1", "accuracy", "NLL", "ECE"],
            kinds,
            "Kinds of weights on calib rows that they were not fitted on (cross-validation); soft labels come from the global ones",
        )
        if kinds
        else None,
        table(["rows", "macro-F1", "accuracy", "NLL", "ECE"], quality, "The ensemble on the rows it taught on and on those it did not"),
        table(
            ["temperature", "mean greatest probability", "mean entropy (nats)"],
            sharpness,
            "Sharpness of the soft labels; seven equal probabilities have 1.946 nats",
        ),
        table(
            ["model", "NLL train", "train views", "calib", "accuracy train", "train views", "calib"],
            known,
            "What teachers know by heart: train rows, the stored views of them, and calib rows that they never saw"
            + ("; each train row was run through the teacher of its fold, which never saw it either" if out_of_fold else ""),
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
                rows.append([f"{tag_}, stage {stage.upper()}", stages[stage]["size"], *scores, stages["right_only_in"][stage]])
    head = ["teacher", "pixels", "macro-F1", "accuracy", "NLL", "faces only it gets right"]
    return (
        table(head, rows, "Both stages of a teacher on the same val rows, which also chose their epochs: no test result") if rows else None
    )


def data(inputs: ReportInputs) -> Markup:
    """What was kept, what was left out and why, and the duplicates."""
    report = inputs.validation
    counts = report["counts"]["by_source_split_label"]
    by_class = []
    for split in _SPLITS:
        cells = [sum(of_source.get(split, {}).get(label, 0) for of_source in counts.values()) for label in CLASSES]
        by_class.append([split, *(f"{n:,}" for n in cells), f"{report['rows_by_split'][split]:,}"])
    by_source = []
    dropped = report["dropped"]["by_source_reason"]
    for source in sorted(set(counts) | set(dropped) | set(report["exclusions"])):
        cells = [sum(counts.get(source, {}).get(split, {}).values()) for split in _SPLITS]
        gone = [sum(dropped.get(source, {}).values()), sum(report["exclusions"].get(source, {}).values())]
        by_source.append([source, *(f"{n:,}" for n in cells + gone)])
    reasons = [["dropped: " + name.replace("_", " "), f"{n:,}"] for name, n in sorted(report["dropped"]["by_reason"].items())]
    excluded: dict[str, int] = {}
    for of_source in report["exclusions"].values():
        for name, n in of_source.items():
            excluded[name] = excluded.get(name, 0) + n
    reasons += [["excluded: " + name, f"{n:,}"] for name, n in sorted(excluded.items())]
    exact, near = report["twins"]["exact"], report["twins"]["exact_and_near"]
    twins = (
        f"Among the usable faces there are {exact['groups']:,} groups of identical faces "
        f"({exact['extra_copies']:,} copies beyond the first, "
        f"{exact['contradictory_groups']:,} groups with contradictory labels); near duplicates included, "
        f"{near['groups']:,} groups ({near['extra_copies']:,} copies, {near['contradictory_groups']:,} contradictory)."
    )
    return section(
        "data",
        "Data",
        table(["split", *CLASSES, "faces"], by_class, "Kept faces by class"),
        table(["source", *_SPLITS, "dropped", "excluded"], by_source, "Kept faces by source, and those left out"),
        table(["why", "faces"], reasons, "Left out") if reasons else None,
        tag("p", twins),
        tag("p", "Heat maps, twins side by side and sheets of every class stand in data/datasheet/index.html.", class_="note"),
        table(["set", "faces"], [[name, f"{n:,}"] for name, n in report["sets"].items()], "Named sets"),
    )


def export(inputs: ReportInputs) -> Markup:
    """The exported files and how far they are from the network."""
    rows = []
    for record in inputs.exports:
        figures = inputs.parity["precisions"][record["precision"]]
        rows.append(
            [
                record["file"],
                record["precision"],
                kibibytes(record["bytes"]),
                f"{figures['maxabsdiff']:.1e}",
                f"{figures['relative']:.1e}",
                f"{figures['max_probability_diff']:.1e}",
                f"{figures['kl']:.1e}",
                f"{100 * figures['agreement']:.2f} %",
                f"{number(figures['macro_f1_reference'])} → {number(figures['macro_f1'])}",
            ]
        )
    head = ["file", "precision", "size", "largest logit difference", "over logit scale", "largest probability difference", "mean KL (nats)"]
    caption = (
        f"{inputs.selection.deployed} as ONNX (opset {inputs.exports[0]['opset']}) against the trained network on all "
        f"{inputs.parity['rows_used']:,} test faces; every file passed its gate"
    )
    refused = [
        tag("p", f"The {precision} file is not handed out: {'; '.join(figures['reasons'])}.", class_="note")
        for precision, figures in inputs.parity["refused"].items()
    ]
    card = tag("p", "What a user of the files should know stands beside them, in data/onnx/MODEL_CARD.md.", class_="note")
    return section("onnx", "Exported files", table([*head, "same class", "macro-F1, network → file"], rows, caption), *refused, card)


def provenance(inputs: ReportInputs, params: Mapping[str, Any]) -> Markup:
    """Hashes that name the artifacts, and the parameters."""
    first = inputs.deployed.evaluation
    weights = [[f"weights of {key}", _hash(model.evaluation.test.model_sha256)] for key, model in inputs.models.items()]
    files = [[record["file"], _hash(record["sha256"])] for record in inputs.exports]
    rows = [
        ["manifest", _hash(inputs.validation["manifest_sha256"])],
        ["rows of pack/dev", _hash(first.dev.rows_sha256)],
        ["rows of pack/test", _hash(first.test.rows_sha256)],
        ["preprocessing", _hash(first.test.preprocessing_hash)],
        *weights,
        *files,
    ]
    lines = "\n".join(_yaml(dict(params)))
    surroundings = inputs.deployed.surroundings
    packages = surroundings.get("packages", {})
    facts = [[name, str(surroundings[name])] for name in _SURROUNDINGS if surroundings.get(name) is not None]
    facts += [[name, packages[name]] for name in _PACKAGES if name in packages]
    return section(
        "provenance",
        "Provenance",
        tag(
            "details", tag("summary", "Code and machine"), table(["what", "value"], facts, f"When {inputs.selection.deployed} was trained")
        ),
        tag("details", tag("summary", "Hashes (SHA-256)"), table(["what", "hash"], rows, "What the numbers are of")),
        tag("details", tag("summary", "Parameters"), tag("pre", lines, tabindex="0")),
    )


def _hash(value: str) -> Markup:
    return tag("td", value, class_="hash")


def _yaml(values: Mapping[str, Any], depth: int = 0) -> list[str]:
    """Block style, short lists and leaves on one line."""
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{'  ' * depth}{key}:", *_yaml(value, depth + 1)]
        elif isinstance(value, list):
            lines.append(f"{'  ' * depth}{key}: [{', '.join(map(_leaf, value))}]")
        else:
            lines.append(f"{'  ' * depth}{key}: {_leaf(value)}")
    return lines


def _leaf(value: Any) -> str:
    named = {True: "true", False: "false", None: "null"}
    return named[value] if value is None or isinstance(value, bool) else str(value)
