"""`MODEL_CARD.md`: what the exported student is for, what it was made from, how good it is, and how
to use it.

For people who were given the files and nothing else. Every number is an artifact's; no time, date
or speed is in it, so that the same model has the same card. Its words are in `model_card.md.j2`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fer_core.base.glossary import words_section
from fer_core.base.labels import CLASSES
from fer_core.dataset.pack.rows import SPLITS, Rows
from fer_core.evaluation.calibration.report import Calibration
from fer_core.evaluation.crossval.crossval import crossval_words
from fer_core.evaluation.elsewhere.words import cross_dataset_words
from fer_core.export.card.carried import by_class_words, carried_words
from fer_core.export.onnx.gates import GATES, LEAST, Parity
from fer_core.export.onnx.options import Precision
from fer_core.models.networks.card import ModelCard
from fer_core.outside.described.description import OutsideTeacher
from fer_core.predict import intended_use
from fer_core.predict.metadata import OnnxMetadata

__all__ = ["CardFacts", "model_card"]


@dataclass(frozen=True)
class CardFacts:
    """What the card tells of.

    Attributes:
        name: key of the student.
        card: of its saved model.
        metadata: embedded in the files.
        calibration: of the student.
        reliability: set -> metrics without and with each calibration, see
            `read_reliability_metrics`.
        dev, test: rows of the pack's halves.
        licences: data set -> terms of use.
        files: handed out, of each precision.
        parity: of each precision, those not handed out too.
        quantisation: how the int8 network came to be; None where there is none.
        taught: what it was trained on, where that is no soft labels.
        mirror: whether it averages over mirror images.
        crossval: the record of its cross-validation; None without.
        cross_dataset: the matrix of data sets left out and tested on; None without.
        outside: teachers from elsewhere behind its soft labels.
        start: folder of the saved student that its training started from; None where it started
            from initial weights.
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
    taught: str = "labels alone"
    mirror: bool = False
    crossval: Mapping[str, Any] | None = None
    cross_dataset: Mapping[str, Any] | None = None
    outside: Sequence[OutsideTeacher] = ()
    start: str | None = None


def model_card(facts: CardFacts) -> str:
    """The card as Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    sets = {name: found for name, found in facts.reliability.items() if name != "val"}
    rows = _rows_of_sources(facts)
    first, measured_as = next(iter(sets)), facts.calibration.measured_as
    text = environment.get_template("model_card.md.j2").render(
        facts=facts,
        use=intended_use,
        classes=CLASSES,
        sets=sets,
        rows=rows,
        weakest=[(name, *_weakest(found[measured_as])) for name, found in sets.items()],
        sides=facts.test.frame["min_side"],
        carried=carried_words(facts.calibration, facts.reliability, first),
        by_class=by_class_words(facts.calibration),
        gates=GATES,
        least=LEAST,
        doubtful=_doubtful(facts.outside, list(sets), list(rows["test"])),
        crossval=crossval_words(facts.crossval) if facts.crossval is not None else None,
        elsewhere=facts.cross_dataset and cross_dataset_words(facts.cross_dataset),
    )
    return text + words_section(text)


def _doubtful(
    outside: Sequence[OutsideTeacher], sets: Sequence[str], sources: Sequence[str]
) -> list[str]:
    """The test sets of which such a teacher may have learned rows.

    A set of which nothing is stated by name may have rows of all data sets in the test split.
    """
    return [
        name
        for name in sets
        if any(teacher.overlap(sources, name) != "none" for teacher in outside)
    ]


def _rows_of_sources(facts: CardFacts) -> dict[str, Counter[str]]:
    """Split -> data set -> rows."""
    frames = {split: facts.test.frame if split == "test" else facts.dev.frame for split in SPLITS}
    return {
        split: Counter(frame.loc[frame["split"] == split, "source"])
        for split, frame in frames.items()
    }


def _weakest(found: Mapping[str, Any]) -> tuple[str, float]:
    """The class with the least F1 of those that the set has rows of."""
    present = {label: f1 for label, f1 in found["per_class_f1"].items() if f1 is not None}
    return min(present.items(), key=lambda item: item[1])
