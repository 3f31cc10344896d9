"""The words of our own and of the trade that pages use, each explained in a sentence or two.

The report and the data sheet explain them where they are used, the model card and the pages of
results at their end; `fer results --glossary` writes them into docs/glossary.md.
"""

import re
from collections.abc import Callable

__all__ = ["TERMS", "with_explanations", "words_section"]

TERMS = {
    "macro-F1": "F1 of each class (the balance of how many of its faces are found and how many "
    "answers of that class are right), averaged so that rare classes count as much as common ones.",
    "minority-F1": "The mean F1 of the three classes on which the model does worst.",
    "trio-F1": "The mean F1 of Disgust, Fear and Sad.",
    "accuracy": "Share of faces whose most probable class is the labelled one.",
    "NLL": "Negative log-likelihood, in nats: how surprised the model is by the labels. Lower is "
    "better; confident mistakes cost most.",
    "Brier": "Mean squared distance between probabilities and the label. Lower is better.",
    "ECE": "Expected calibration error: the mean gap between how sure the model is and how often "
    "it is right, over bins of confidence. 0 is perfect, but few faces alone make a gap.",
    "equal-mass ECE": "ECE of the top answer over bins that hold equally many faces.",
    "mCE": "Mean corruption error: the share of wrong answers, mean over all corruptions and "
    "strengths; not divided by another model's.",
    "AURC": "Area under the risk-coverage curve: the mean share of wrong answers as more and more "
    "faces are answered, surest first. Lower is better.",
    "coverage": "Share of faces that get an answer.",
    "TPR gap": "How far the shares of a class's faces that are found lie apart between subgroups; "
    "mean over classes.",
    "present macro-F1": "Macro-F1 over the classes that have faces in the set.",
    "calibration": "Making probabilities honest: of the answers given with 70 % confidence, 70 % "
    "should be right.",
    "temperature": "One number by which all logits are divided before softmax. Above 1 it makes "
    "probabilities less sure, below 1 surer; the predicted class stays the same.",
    "T": "The temperature: T = 1.2 divides all logits by 1.2, T = 1 leaves them as they are.",
    "FERPlus": "Ten people's votes on each picture of FER2013: other labels of the same pictures. "
    "Listed together, a picture is kept once, and its other row leaves as a repeated twin.",
    "duplicate_in_train": "The same picture is among the train rows already, often with labels of "
    "another data set, as FERPlus has them for FER2013.",
    "raw": "Probabilities as the network gives them, before a calibration is applied.",
    "scaled": "Probabilities after the temperature is applied; of the deployed file, after the "
    "calibration that it carries.",
    "logits": "The network's scores of each class before softmax turns them into probabilities.",
    "95 % CI": "Confidence interval: other test faces of the same kind would give a value in this "
    "range in 95 of 100 cases. Found by drawing test pictures again and again (bootstrap).",
    "train": "Faces that networks learn from.",
    "val": "Faces on which epochs, settings and methods are chosen; no network learns from them.",
    "calib": "Faces on which everything is fitted that follows the training: calibrations, "
    "ensemble weights, thresholds, ranges of int8. No network learns from them.",
    "test": "Faces that decide nothing: they are only reported.",
    "teacher": "A larger network. Its probabilities are part of what students learn from.",
    "student": "The small network that is deployed.",
    "ensemble": "The calibrated probabilities of all teachers, fused with weights.",
    "soft labels": "The ensemble's probabilities of all classes, given to a student beside the "
    "label.",
    "per_class": "An ensemble with a weight for each teacher and class.",
    "per_source": "An ensemble with a weight for each teacher and data set.",
    "best_single": "The one teacher that does best on calib faces.",
    "uniform": "An ensemble in which all teachers have the same weight.",
    "sign-flip test": "A test of whether two models are right equally often, from the pictures, "
    "photos or persons on which one of them is right more often. Where each is one face it is "
    "McNemar's test.",
    "permutation test": "A test of whether two models differ in macro-F1: how often a difference "
    "as large comes about if their answers are swapped at random.",
    "Holm": "A correction of p-values for having made several comparisons.",
    "confusion": "How often faces of one class are taken for another.",
    "twins": "Pictures that are the same, or nearly so. A test picture has none elsewhere.",
    "leak audit": "A check before a training that leaves a data set out: a face to learn from or "
    "to choose an epoch by leaves if its picture, photo or person is among the tested ones. What "
    "is left is counted again.",
    "divergence": "How far the teachers' probabilities of a face lie apart.",
    "margin": "How much more probable the first choice is than the second.",
    "KL": "Kullback-Leibler divergence, in nats: how far two sets of probabilities lie apart. 0 "
    "where they are the same.",
    "p50": "Half of all calls were at least this fast.",
    "p95": "95 of 100 calls were at least this fast.",
    "p99": "99 of 100 calls were at least this fast.",
    "ONNX": "A file format for networks that many runtimes can read.",
    "fp32": "Single precision: the network as it was trained.",
    "fp16": "Half precision: half the size, nearly the same answers.",
    "int8": "Eight-bit whole numbers: a quarter of the size, often faster, slightly other answers.",
}
"""Term -> explanation."""
_ANY = "|".join(re.escape(term) for term in sorted(TERMS, key=len, reverse=True))
_TERM = re.compile(rf"(?<![\w-])({_ANY})(?![\w-])")


def with_explanations(text: str, explain: Callable[[str, str], str]) -> str:
    """Text in which each term is replaced by what `explain` makes of it and its explanation."""
    return _TERM.sub(lambda found: explain(found[0], TERMS[found[0]]), text)


def words_section(text: str) -> str:
    """The terms that a page in Markdown uses, as its last section."""
    used = sorted(set(_TERM.findall(text)), key=str.lower)
    lines = [f"- **{term}**: {TERMS[term]}" for term in used]
    return "\n".join(["", "## Words", "", *lines, ""])
