"""`MODEL_CARD.md`: what the exported student is for, what it was made from, how good it is, and how
to use it.

For people who were given the files and nothing else. Every number is an artifact's; no time, date
or speed is in it, so that the same model has the same card.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_core.base.labels import CLASSES
from fer_core.dataset.pack.rows import SPLITS, Rows
from fer_core.evaluation.calibration.report import Calibration
from fer_core.export.card.carried import carried_words
from fer_core.export.card.usage import usage
from fer_core.export.onnx.options import Precision
from fer_core.export.onnx.parity import GATES, Parity
from fer_core.models.networks.card import ModelCard
from fer_core.predict.metadata import OnnxMetadata

__all__ = ["CardFacts", "model_card"]

_SCORES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "minority_f1": "F1 of the three weakest classes",
}
_CALIBRATED = {"nll": "NLL", "brier": "Brier", "ece": "ECE"}


@dataclass(frozen=True)
class CardFacts:
    """What the card tells of.

    Attributes:
        name: key of the student.
        card: of its saved model.
        metadata: embedded in the files.
        calibration: of the student.
        reliability: set -> metrics without and with the temperature, see
            `read_reliability_metrics`.
        dev, test: rows of the pack's halves.
        licences: data set -> terms of use.
        files: handed out, of each precision.
        parity: of each precision, those not handed out too.
        quantisation: how the int8 network came to be; None where there is none.
    """

    name: str
    card: ModelCard
    metadata: OnnxMetadata
    calibration: Calibration
    reliability: Mapping[str, Any]
    dev: Rows
    test: Rows
    licences: Mapping[str, str]
    files: Mapping[Precision, Path]
    parity: Mapping[Precision, Parity]
    quantisation: Mapping[str, Any] | None


def model_card(facts: CardFacts) -> str:
    """The card as Markdown."""
    parts = [
        _summary(facts),
        _use(facts),
        _data(facts),
        _preparation(facts),
        _quality(facts),
        _calibration(facts),
        _limits(facts),
    ]
    return (
        "\n\n".join(
            [*parts, _parity(facts), usage(facts.metadata.preprocessing, facts.files["fp32"].name)]
        )
        + "\n"
    )


def _summary(facts: CardFacts) -> str:
    taught = (
        "labels alone"
        if facts.card.targets_sha256 is None
        else "labels and the soft labels of an ensemble of larger teachers"
    )
    sizes = ", ".join(
        f"`{file.name}` {file.stat().st_size / 1e6:.2f} MB" for file in facts.files.values()
    )
    return f"""# Facial-expression recognition: {facts.name}

A {facts.card.arch} that says which of seven expressions a face shows, with calibrated probabilities. It was trained on {taught}.

- files: {sizes}
- classes, in the order of the outputs: {", ".join(CLASSES)}
- licence of the weights: {facts.metadata.licence}
- weights sha256 `{facts.metadata.source_model_sha256}`
- training rows sha256 `{facts.metadata.rows_sha256}`"""


def _use(facts: CardFacts) -> str:
    return """## Intended use

Research and demonstrations that need the expression a face *shows*, one face at a time, where people know and agree that they are
looked at, and where a wrong answer harms nobody: sorting one's own photos, art, studies of data sets and methods.

Not for telling what a person feels, thinks or intends: a face is no reliable sign of it. Not for decisions about people (work,
school, credit, insurance, health, policing, borders), nor for surveillance; in some countries such use is forbidden."""


def _data(facts: CardFacts) -> str:
    counts = {
        split: (facts.test if split == "test" else facts.dev).frame.query("split == @split")[
            "source"
        ]
        for split in SPLITS
    }
    of_split = {split: sources.value_counts() for split, sources in counts.items()}
    rows = [
        [source, licence, *(f"{int(of_split[split].get(source, 0)):,}" for split in SPLITS)]
        for source, licence in facts.licences.items()
    ]
    rows.append(["all", "", *(f"{len(counts[split]):,}" for split in SPLITS)])
    named = facts.card.budget.get("train_set")
    trained = (
        f"Trained on {facts.card.budget['train_rows']:,} of the train rows"
        if "train_rows" in facts.card.budget
        else "Trained on train rows"
    )
    return "\n\n".join(
        [
            "## Data",
            f"{trained}{f' (the set `{named}`)' if named else ''}; the epoch was chosen on val "
            "rows, the temperature fitted on calib rows, "
            "and test rows are only reported. Copies of a test face, exact or nearly so, are in no "
            "other split.",
            _table(["data set", "terms of use", *SPLITS], rows, texts=2),
        ]
    )


def _preparation(facts: CardFacts) -> str:
    how = facts.card.preprocessing
    cut = (
        ""
        if how.crop == 1
        else f" The square is resized to {how.resized} px and its centre of {how.size} px kept."
    )
    clahe = (
        f" Then CLAHE on L of LAB, clip {how.clahe_clip:g}, {how.clahe_tile} x {how.clahe_tile} "
        "tiles."
        if how.clahe
        else ""
    )
    return f"""## Input and output

Input `image`: uint8 RGB, N x {how.size} x {how.size} x 3, any N: the centre square of a face crop, resized (area averaging when shrinking,
bilinear when growing).{cut}{clahe} Mean {list(how.mean)} and standard deviation {list(how.std)} are applied inside.

Outputs `logits` and `probabilities`, float32 N x 7: probabilities are softmax(logits / {facts.metadata.temperature:g}).
Preprocessing hash `{how.hash()}`; files carry it, and `Predictor` refuses a file of another."""


def _quality(facts: CardFacts) -> str:
    sets = _test_sets(facts)
    rows = [
        [name, f"{found['rows']:,}", *(_interval(found["raw"]["metrics"][key]) for key in _SCORES)]
        for name, found in sets.items()
    ]
    classes = [
        [name, *(_score(found["raw"]["per_class_f1"][label]) for label in CLASSES)]
        for name, found in sets.items()
    ]
    return "\n\n".join(
        [
            "## Quality",
            "On test rows, on which no weight, epoch or temperature was chosen; with 95 % "
            "intervals over the choice of rows.",
            _table(["test set", "rows", *_SCORES.values()], rows),
            "F1 of each class:",
            _table(["test set", *CLASSES], classes),
        ]
    )


def _calibration(facts: CardFacts) -> str:
    fitted = facts.calibration
    rows = [
        [
            name,
            *(
                f"{_score(found['raw']['metrics'][key]['value'])} → "
                f"{_interval(found['temperature_scaled']['metrics'][key])}"
                for key in _CALIBRATED
            ),
            f"{_score(found['ece_floor']['mean'])} (95 % below "
            f"{_score(found['ece_floor']['p95'])})",
        ]
        for name, found in _test_sets(facts).items()
    ]
    first, measured = next(iter(_test_sets(facts).items()))
    return "\n\n".join(
        [
            "## Calibration",
            carried_words(fitted, measured, first),
            f"One temperature, {fitted.temperature:g}, fitted on {fitted.n:,} calib rows: NLL "
            f"there {fitted.nll_before:.4f} before, "
            f"{fitted.nll_after:.4f} after. On test rows, before → after:",
            _table(
                ["test set", *_CALIBRATED.values(), "ECE of a perfectly calibrated model"], rows
            ),
        ]
    )


def _limits(facts: CardFacts) -> str:
    weakest = []
    for name, found in _test_sets(facts).items():
        present = {
            label: value
            for label, value in found["raw"]["per_class_f1"].items()
            if value is not None
        }
        label = min(present, key=lambda key: present[key])
        weakest.append(f"{label} on {name} ({_score(present[label])})")
    sides = facts.test.frame["min_side"]
    return f"""## Limits

- Weakest class, by F1: {"; ".join(weakest)}. Rare classes have few test rows, so their figures are the least certain.
- Measured on faces whose shorter side is {int(sides.min())} to {int(sides.max())} px (median {int(sides.median())}); with other cameras,
  crops, light or ages it may do worse.
- Labels are what annotators saw in a picture; they disagree, and so will the model with you.
- Quality by gender, age, skin colour or culture was not measured: the data do not say. Assume that it differs.
- Anything that is given as a face gets an answer, a wall too. Use a detector first, and abstain below a confidence of your choice.
- Calibration holds for pictures like the calib rows; a shift of camera or population breaks it."""


def _parity(facts: CardFacts) -> str:
    rows = []
    for precision, parity in facts.parity.items():
        values, faults = parity.to_dict(), GATES[precision].broken_by(parity)
        figures = [
            f"{values[key]:.2e}" for key in ("max_probability_diff", "mean_probability_diff", "kl")
        ]
        verdict = (
            "handed out" if precision in facts.files else f"not handed out: {'; '.join(faults)}"
        )
        rows.append(
            [
                precision,
                verdict,
                *figures,
                f"{parity.agreement:.4f}",
                f"{parity.macro_f1:.4f}",
                f"{parity.macro_f1_drop:+.4f}",
            ]
        )
    head = [
        "file",
        "verdict",
        "largest difference of a probability",
        "mean",
        "KL (nats)",
        "same class",
        "macro-F1",
        "drop of macro-F1",
    ]
    parts = [
        "## Files against the trained network",
        f"On all {len(facts.test):,} test rows, end to end:",
        _table(head, rows, texts=2),
    ]
    if facts.quantisation is not None:
        how = facts.quantisation
        parts.append(
            f"int8: {how['layers']} layers in 8 bits and {len(how['in_float'])} in single "
            "precision, "
            f"ranges from {how['faces']:,} calib faces. "
            "Use it only where it is faster: `metrics/onnxpromotion.json` of the project says "
            "whether it was, on the machine named there."
        )
    return "\n\n".join(parts)


def _test_sets(facts: CardFacts) -> dict[str, Any]:
    return {name: found for name, found in facts.reliability.items() if name != "val"}


def _interval(found: Mapping[str, float]) -> str:
    return f"{_score(found['value'])} ({_score(found['low'])}–{_score(found['high'])})"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Markdown; the first columns are texts, the others figures."""
    lines = [head, [*["---"] * texts, *["---:"] * (len(head) - texts)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
